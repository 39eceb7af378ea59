// The address says what is shown: #/ a new conversation, #/c/ID one, #/planner the planner.
import { effect } from '@preact/signals'
import { current, openConversation, openNew } from '../data/store.ts'
import { focusComposer, isWide, place, showsList, tell } from './state.ts'

export const go = (to: string): void => {
  if (location.hash === to) void follow()
  else location.hash = to
}
export const conversationHash = (id: string): string => `#/c/${id}`

export async function follow(): Promise<void> {
  const [, what, id] = location.hash.split('/')
  place.value = what === 'planner' ? 'planner' : 'chat'
  if (place.value === 'planner') return
  if (what !== 'c' || !id) openNew()
  else if (!(await openConversation(id))) {
    openNew()
    history.replaceState(null, '', '#/')
    tell('This conversation is not in this browser.')
  }
}
export function startNew(): void {
  go('#/')
  if (!isWide.value) showsList.value = false
  setTimeout(focusComposer)
}

addEventListener('hashchange', () => void follow())

// A conversation that has just begun gets its address.
effect(() => {
  const id = current.value?.id
  if (id && place.peek() === 'chat' && location.hash !== conversationHash(id)) {
    history.replaceState(null, '', conversationHash(id))
  }
})
effect(() => {
  document.title = place.value === 'planner' ? 'Memory planner – Carat' : current.value ? `${current.value.title} – Carat` : 'Carat'
})
