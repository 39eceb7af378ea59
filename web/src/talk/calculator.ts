// Sums, for the demo tool: numbers, per cents, + - * / ^, brackets, a few functions. A parser of its own: nothing is evaluated.

const FUNCTIONS: Record<string, (x: number) => number> = {
  sqrt: Math.sqrt, abs: Math.abs, round: Math.round, floor: Math.floor, ceil: Math.ceil, ln: Math.log, log: Math.log10, exp: Math.exp,
  sin: Math.sin, cos: Math.cos, tan: Math.tan,
}
const CONSTANTS: Record<string, number> = { pi: Math.PI, e: Math.E }

export function calculate(text: string): number {
  const tokens = text.replace(/×/g, '*').replace(/÷/g, '/').match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|[a-z]+|\*\*|[-+*/%^()]|\S/gi) ?? []
  let at = 0
  let depth = 0
  const next = (): string | undefined => tokens[at]
  const fail = (): never => {
    throw new Error(next() === undefined ? 'the sum breaks off' : `"${next()}" is not understood`)
  }

  function sum(): number {
    if (++depth > 100) throw new Error('too many brackets')
    let value = product()
    while (next() === '+' || next() === '-') value = tokens[at++] === '+' ? value + product() : value - product()
    depth--
    return value
  }
  function product(): number {
    let value = signed()
    while (next() === '*' || next() === '/') value = tokens[at++] === '*' ? value * signed() : value / signed()
    return value
  }
  function signed(): number {
    if (next() === '-') return at++, -signed()
    if (next() === '+') return at++, signed()
    let base = atom()
    if (next() === '%') {
      at++
      base /= 100
      if (next()?.toLowerCase() === 'of') return at++, base * signed()
    }
    if (next() !== '^' && next() !== '**') return base
    at++
    return base ** signed()
  }
  function atom(): number {
    const token = next() ?? fail()
    if (/^[\d.]/.test(token)) return at++, Number(token)
    const word = token.toLowerCase()
    if (word in CONSTANTS && Object.hasOwn(CONSTANTS, word)) return at++, CONSTANTS[word]!
    const fn = Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word] : undefined
    if (fn) at++
    if (next() !== '(') fail()
    at++
    const value = sum()
    if (next() !== ')') fail()
    at++
    return fn ? fn(value) : value
  }

  const value = sum()
  if (at < tokens.length) fail()
  if (!Number.isFinite(value)) throw new Error('the result is not a number')
  return value
}
