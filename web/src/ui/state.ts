// What is open on the page, which is nobody's but this window's: panels, dialogs, notices, the theme.
import { effect, signal } from '@preact/signals'
import { keep, recall } from '../data/local.ts'
import type { Picture } from '../data/types.ts'

export type Place = 'chat' | 'planner'
export const place = signal<Place>('chat')

const wide = matchMedia('(min-width: 900px)')
export const isWide = signal(wide.matches)
wide.addEventListener('change', () => (isWide.value = wide.matches))

export const showsList = signal(wide.matches)
export const showsSettings = signal(false)
export const showsKeys = signal(false)
export const showsCamera = signal(false)
export const focusComposer = (): void => document.getElementById('composer')?.focus()
/** The message that is being edited in its place. */
export const edited = signal<string | null>(null)
/** A picture that is looked at; `change` is there where its Pan & Scan may still be chosen. */
export const viewed = signal<{ picture: Picture; change?: (picture: Picture) => void } | null>(null)

// ---- notices: a line at the foot, perhaps with one thing to do ----

export interface Notice {
  text: string
  action?: { label: string; run: () => void }
}
export const notice = signal<Notice | null>(null)
let noticeTimer: ReturnType<typeof setTimeout> | undefined
let noticeGone: (() => void) | undefined

/** `gone` is called when the notice leaves without its action being taken. */
export function tell(text: string, action?: { label: string; run: () => void }, gone?: () => void): void {
  closeNotice()
  noticeGone = gone
  notice.value = action ? { text, action } : { text }
  noticeTimer = setTimeout(closeNotice, action ? 8000 : 4000)
}

export function closeNotice(): void {
  clearTimeout(noticeTimer)
  notice.value = null
  const gone = noticeGone
  noticeGone = undefined
  gone?.()
}

export function takeNotice(): void {
  const action = notice.value?.action
  noticeGone = undefined
  closeNotice()
  action?.run()
}

/** For screen readers alone. */
export const said = signal('')
export const say = (text: string): void => void (said.value = text)

// ---- theme ----

export type Theme = 'system' | 'light' | 'dark'
const THEME = 'carat-theme'
const stored = recall(THEME)
export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system')

effect(() => {
  const root = document.documentElement
  if (theme.value === 'system') delete root.dataset.theme
  else root.dataset.theme = theme.value
  keep(THEME, theme.value)
})
