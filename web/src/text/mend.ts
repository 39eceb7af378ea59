// The end of a text that is still being written, made fit to be shown: what may yet become something else is held back,
// what is open is closed. So nothing flickers between two forms while tokens come.

/** Lines that may still become a list, a heading, a rule, a fence or the underline of a heading. */
const UNDECIDED = /^[ \t]*(?:[-=]+|[*_]{1,3}|\+|#{1,6}|\d{1,9}[.)]?|`{1,2}|~{1,2}|>)?[ \t]*$/

const isFence = (line: string): string | null => /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? null

/** Is the end of the text inside a fenced block? */
export function endsInFence(text: string): boolean {
  let open: string | null = null
  for (const line of text.split('\n')) {
    const fence = isFence(line.replace(/^(?:[ \t]*(?:[-*+]|\d+[.)])[ \t]+|[ \t]+)/, ''))
    if (open === null) open = fence
    else if (fence && fence[0] === open[0] && fence.length >= open.length && /^\s*[`~]+\s*$/.test(line)) open = null
  }
  return open !== null
}

/** The last block of a text, as it may be shown now. */
export function mend(text: string): string {
  if (endsInFence(text)) return text.replace(/\n[ \t]*(`{1,2}|~{1,2})$/, '\n')
  const start = text.lastIndexOf('\n') + 1
  const line = text.slice(start)
  if (UNDECIDED.test(line)) return text.slice(0, start)
  return mendTable(text) ?? text.slice(0, start) + closeInline(line)
}

/** A table whose second line has not come is a table already. */
function mendTable(text: string): string | null {
  const lines = text.split('\n')
  const from = lines.findLastIndex((l) => !/^\s*\|/.test(l)) + 1
  const rows = lines.slice(from)
  if (rows.length === 0 || rows.length > 2) return null
  const columns = rows[0]!.replace(/\|\s*$/, '').split('|').length - 1
  if (rows.length === 2 && (!/^[\s|:-]*$/.test(rows[1]!) || rows[1]!.split('-').length - 1 >= 3 * columns)) return null
  const head = rows[0]!.trimEnd().endsWith('|') ? rows[0]! : `${rows[0]!} |`
  return [...lines.slice(0, from), head, `|${'---|'.repeat(Math.max(1, columns))}`].join('\n')
}

/** Closes what is open in a line: code, strong, emphasis, struck text; shows the text of a link whose address is not there. */
function closeInline(line: string): string {
  let out = line.replace(/!?\[([^\]\n]*)\]\([^)\n]*$/, '$1').replace(/!?\[([^\]\n]*)$/, '$1')
  const ticks = out.match(/`+/g) ?? []
  if (ticks.length % 2) return /`$/.test(out) ? out.replace(/`+$/, '') : out + ticks.at(-1)
  const bare = out.replace(/(`+)[^`]*\1/g, '')
  const open: string[] = []
  for (const mark of bare.match(/\*\*\*|\*\*|(?<=\S)\*|\*(?=\S|$)|__|~~/g) ?? []) {
    if (mark === '***') continue
    const at = open.lastIndexOf(mark)
    if (at >= 0) open.splice(at)
    else open.push(mark)
  }
  if (!open.length) return out
  // Marks at the very end open nothing yet.
  const last = open.at(-1)!
  if (out.endsWith(last)) {
    out = out.slice(0, -last.length)
    open.pop()
  }
  return out.trimEnd() + open.reverse().join('')
}
