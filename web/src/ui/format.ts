// Numbers and times as people read them.

export const count = (n: number): string => n.toLocaleString('en')

export function seconds(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

export const speed = (perSecond: number): string => `${perSecond < 100 ? perSecond.toFixed(1) : count(Math.round(perSecond))} tokens/s`

export const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)

export function bytes(n: number): string {
  if (n >= 2 ** 30) return `${(n / 2 ** 30).toFixed(2)} GiB`
  if (n >= 2 ** 20) return `${(n / 2 ** 20).toFixed(1)} MiB`
  return `${(n / 1024).toFixed(0)} KiB`
}

export const contextName = (tokens: number): string => (tokens % 1024 === 0 ? `${tokens / 1024}k` : count(tokens))

const DAY = 86_400_000

/** Under which heading a conversation is listed. */
export function dayGroup(time: number, now = Date.now()): string {
  const today = new Date(now).setHours(0, 0, 0, 0)
  if (time >= today) return 'Today'
  if (time >= today - DAY) return 'Yesterday'
  if (time >= today - 7 * DAY) return 'Last week'
  return new Date(time).toLocaleDateString('en', { month: 'long', year: 'numeric' })
}
