// What needs no browser: the tree, streams, the end of a growing text, sums, declarations, trimming, settings.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './load.mjs'

const { pathTo, leafBelow, below, openCalls, titleOf, childrenOf } = await load('src/data/tree.ts')
const { completeSettings, defaultSettings } = await load('src/data/types.ts')
const { EventReader } = await load('src/api/sse.ts')
const { mend, endsInFence } = await load('src/text/mend.ts')
const { pretty, parse } = await load('src/text/json.ts')
const { calculate } = await load('src/talk/calculator.ts')
const { readTools, toolsOf, runDemo, isDemo } = await load('src/talk/tools.ts')

const tree = (...rows) => new Map(rows.map(([id, parent, role, more], i) => [id, { id, parent, role: role ?? 'user', created: i, ...more }]))

test('a path goes from the first message to the head; the newest branch is followed down', () => {
  const t = tree(['a', null], ['b', 'a'], ['c', 'b'], ['b2', 'a'], ['d', 'b2'])
  assert.deepEqual(pathTo(t, 'c').map((m) => m.id), ['a', 'b', 'c'])
  assert.deepEqual(pathTo(t, null), [])
  assert.equal(leafBelow(t, 'a'), 'd')
  assert.equal(leafBelow(t, 'b'), 'c')
  assert.deepEqual(below(t, 'b2'), ['b2', 'd'])
  assert.deepEqual(childrenOf(t, 'a').map((m) => m.id), ['b', 'b2'])
})

test('a damaged tree ends where it breaks', () => {
  assert.deepEqual(pathTo(tree(['a', 'gone'], ['b', 'a']), 'b').map((m) => m.id), ['a', 'b'])
  assert.equal(pathTo(tree(['a', 'b'], ['b', 'a']), 'b').length, 2)
  assert.ok(leafBelow(tree(['a', 'b'], ['b', 'a']), 'a'))
})

test('calls without a result are found, whatever came in between', () => {
  const calls = [{ id: '1' }, { id: '2' }]
  const asked = tree(['u', null], ['m', 'u', 'assistant', { calls }])
  assert.deepEqual(openCalls(pathTo(asked, 'm')).ids, ['1', '2'])
  const half = tree(['u', null], ['m', 'u', 'assistant', { calls }], ['t', 'm', 'tool', { callId: '2' }])
  assert.deepEqual(openCalls(pathTo(half, 't')).ids, ['1'])
  const whole = tree(['m', null, 'assistant', { calls }], ['t', 'm', 'tool', { callId: '2' }], ['s', 't', 'tool', { callId: '1' }])
  assert.equal(openCalls(pathTo(whole, 's')), null)
  assert.equal(openCalls([]), null)
})

test('a title is the first words of a text, without its marks', () => {
  assert.equal(titleOf('  **Hello**, `world`\nthere '), 'Hello, world there')
  assert.ok(titleOf('a long sentence that goes on and on, far beyond what a list has room for').length <= 53)
})

test('settings of any origin are completed', () => {
  assert.deepEqual(completeSettings(null), defaultSettings)
  const odd = completeSettings({ system: 7, sampling: { temperature: 'hot', top_k: 40, seed: Infinity }, demoTools: ['a', 3], later: 1 })
  assert.equal(odd.system, '')
  assert.equal(odd.sampling.temperature, null)
  assert.equal(odd.sampling.top_k, 40)
  assert.equal(odd.sampling.seed, null)
  assert.deepEqual(odd.demoTools, ['a'])
  assert.ok(!('later' in odd))
})

test('events are the same wherever the bytes are cut', () => {
  const bytes = new TextEncoder().encode('data: {"a":"ü"}\r\n\r\n: ping\n\ndata: 1\ndata: 2\n\nevent: x\ndata:3\n\ndata: [DONE]\n\n')
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new EventReader()
    const events = [...reader.add(bytes.slice(0, cut)), ...reader.add(bytes.slice(cut))]
    assert.deepEqual(events, ['{"a":"ü"}', '1\n2', '3', '[DONE]'])
  }
})

test('the end of a growing text is closed, or held back while it may become something else', () => {
  const cases = [
    ['a **bold', 'a **bold**'],
    ['a **bold**', 'a **bold**'],
    ['a **', 'a'],
    ['a *b', 'a *b*'],
    ['a `code', 'a `code`'],
    ['a `', 'a '],
    ['2 * 3', '2 * 3'],
    ['see [the page](https://exa', 'see the page'],
    ['see [the pa', 'see the pa'],
    ['see [the page](https://x.test) now', 'see [the page](https://x.test) now'],
    ['Items:\n-', 'Items:\n'],
    ['Items:\n- ', 'Items:\n'],
    ['Text\n##', 'Text\n'],
    ['Text\n1', 'Text\n'],
    ['Text\n``', 'Text\n'],
    ['- one\n- **two', '- one\n- **two**'],
    ['| a | b |', '| a | b |\n|---|---|'],
    ['| a | b', '| a | b |\n|---|---|'],
    ['| a | b |\n|--', '| a | b |\n|---|---|'],
    ['```c\nint *a = **b;', '```c\nint *a = **b;'],
    ['```c\nx\n``', '```c\nx\n'],
  ]
  for (const [text, shown] of cases) assert.equal(mend(text), shown, JSON.stringify(text))
  assert.ok(endsInFence('```\nx'))
  assert.ok(endsInFence('- a\n  ```c\n  x'))
  assert.ok(!endsInFence('```\nx\n```'))
  assert.ok(endsInFence('````\n```\n'))
})

test('mending never fails and never writes what is not there', () => {
  const marks = ['*', '**', '`', '```', '[', '](', ')', '|', '\n', ' ', 'a', '-', '_', '~~', '#', '1.', '<', '>']
  let seed = 7
  const next = (n) => (seed = (seed * 48271) % 2147483647) % n
  for (let i = 0; i < 20000; i++) {
    const text = Array.from({ length: next(14) }, () => marks[next(marks.length)]).join('')
    const shown = mend(text)
    for (const ch of shown.replace(/[*`~|\-_\s]/g, '')) assert.ok(text.includes(ch), JSON.stringify(text))
  }
})

test('JSON is indented where it is whole', () => {
  assert.equal(pretty('{"a":1}'), '{ "a": 1 }')
  assert.equal(pretty('{"a":{"b":1}}'), '{\n  "a": {\n    "b": 1\n  }\n}')
  assert.equal(pretty('{"a":'), '{"a":')
  assert.deepEqual(JSON.parse(pretty('{"a":"x\\n y  z"}')), { a: 'x\n y  z' })
  assert.ok('fault' in parse('{'))
  assert.deepEqual(parse('[1]'), { value: [1] })
})

test('sums are computed, and nothing else is', () => {
  const sums = { '1 + 2 * 3': 7, '(1 + 2) * 3': 9, '-2^2': -4, '2^-1': 0.5, '2^3^2': 512, '17.5 / 100 * 2340': 409.5, 'sqrt(16) + abs(-1)': 5, '17.5 % of 2340': 409.5, '50% * 4': 2, '2 × 3 ÷ 4': 1.5, '1e3 + .5': 1000.5, 'pi - pi': 0 }
  for (const [text, value] of Object.entries(sums)) assert.ok(Math.abs(calculate(text) - value) < 1e-9, text)
  for (const text of ['', '1 +', '(1', '1)', '1 2', '17.5 % 2340', 'alert(1)', 'constructor', '__proto__', 'sqrt', 'x', '1/0', '('.repeat(5000), '"a"']) {
    assert.throws(() => calculate(text), text)
  }
})

test('declarations are taken in OpenAI’s form and alone; what is wrong is said', () => {
  const f = { name: 'f', description: 'd', parameters: { type: 'object' } }
  const tool = { type: 'function', function: f }
  for (const text of [JSON.stringify(f), JSON.stringify([f]), JSON.stringify([tool])]) assert.deepEqual(readTools(text), { tools: [tool] })
  assert.deepEqual(readTools('  '), { tools: [] })
  for (const [text, says] of [['[', /JSON/], ['[{}]', /name/], ['[null]', /name/], ['[{"name":"a b"}]', /letters/], ['[{"name":"a"},{"name":"a"}]', /twice/], ['3', /name/]]) {
    assert.match(readTools(text).fault, says)
  }
  const both = { ...defaultSettings, demoTools: ['calculator', 'nothing'], tools: '[{"name":"calculator"}]' }
  assert.deepEqual(toolsOf(both).map((t) => t.function.parameters), [undefined])
  assert.ok(!isDemo('calculator', both))
  assert.ok(isDemo('calculator', { ...both, tools: '' }))
  assert.ok(!isDemo('toString', both))
})

test('demo tools answer, or say why not', () => {
  assert.equal(runDemo('calculator', '{"expression":"6*7"}'), '{"result":42}')
  assert.match(runDemo('calculator', '{"expression":"6*"}'), /"error"/)
  assert.match(runDemo('calculator', 'no json'), /"error"/)
  assert.ok(JSON.parse(runDemo('current_time', '{}')).zone)
})
