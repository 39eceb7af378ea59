// JSON for reading: indented where it is whole, as it stands while it is not.

export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
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
