// What went wrong with an answer, and the ways on.
import type { Message, Remedy } from '../../data/types.ts'
import { remedy } from '../../talk/actions.ts'
import { Icon } from '../icons.tsx'
import { startNew } from '../route.ts'
import { showsSettings } from '../state.ts'

const LABELS: Record<Remedy, string> = {
  retry: 'Try again',
  trim: 'Leave out the oldest exchanges',
  new: 'New conversation',
  settings: 'Settings',
}

function follow(message: Message, what: Remedy): void {
  if (what === 'new') startNew()
  else if (what === 'settings') showsSettings.value = true
  else void remedy(message, what)
}

export function FaultCard({ message }: { message: Message }) {
  const fault = message.fault!
  return (
    <div class="fault" role="alert">
      <Icon name="warn" />
      <div>
        <strong>{fault.title}</strong>
        {fault.detail && <p>{fault.detail}</p>}
        <div class="buttons">
          {fault.remedies.map((what) => (
            <button key={what} type="button" onClick={() => follow(message, what)}>
              {LABELS[what]}
            </button>
          ))}
        </div>
      </div>
    </div>
  )
}
