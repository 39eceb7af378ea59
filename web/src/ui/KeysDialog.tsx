// The keyboard shortcuts.
import { Dialog } from './Dialog.tsx'
import { showsKeys } from './state.ts'

const KEYS: [string, string][] = [
  ['Enter', 'Send'],
  ['Shift + Enter', 'New line'],
  ['Esc', 'Stop the answer'],
  ['↑ in an empty field', 'Edit your last message'],
  ['/', 'To the message field'],
  ['Ctrl + Shift + O', 'New conversation'],
  ['Ctrl + B', 'Conversations'],
  ['Ctrl + ,', 'Settings'],
  ['Ctrl + V', 'Paste a picture'],
  ['?', 'This list'],
]

export function KeysDialog() {
  if (!showsKeys.value) return null
  return (
    <Dialog title="Keyboard" close={() => (showsKeys.value = false)}>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key.split(' + ').map((part, i) => (
                <span key={part}>
                  {i > 0 && ' '}
                  <kbd>{part}</kbd>
                </span>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">On a Mac, ⌘ does what Ctrl does here.</p>
    </Dialog>
  )
}
