// JSON for reading: indented where it is whole, as it stands while it is not.

const SHORT = 64 // characters that may stand in one line

export function pretty(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    const lines = JSON.stringify(value, null, 2)
    const line = lines.replace(/\n\s*/g, ' ')
    // One level, short: a line reads better. (Line breaks inside of strings are escaped, so none is lost.)
    return line.length <= SHORT && !/[[{].*[[{]/.test(line) ? line : lines
  } catch {
    return text
  }
}

/** The value, or why it is none: with the place, in words. */
export function parse(text: string): { value: unknown } | { fault: string } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (e) {
    const said = String((e as Error).message)
    const at = /position (\d+)/.exec(said)
    if (!at) return { fault: said.replace(/^.*?: /, '') }
    const before = text.slice(0, Number(at[1])).split('\n')
    return { fault: `no JSON: line ${before.length}, column ${before.at(-1)!.length + 1}` }
  }
}
