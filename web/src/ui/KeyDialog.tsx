// The server wants an API key: asked for once a tab, kept in the tab's own storage.
import { answerKey, keyWanted } from '../api/client.ts'
import { Dialog } from './Dialog.tsx'

export function KeyDialog() {
  const wanted = keyWanted.value
  if (!wanted) return null
  return (
    <Dialog title="API key" close={() => keyWanted.value && answerKey(null)}>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault()
          const key = new FormData(e.currentTarget).get('key')
          answerKey(typeof key === 'string' ? key.trim() : null)
        }}
      >
        <p>{wanted.wasRefused ? 'The server did not take that key.' : 'This server answers only those who have a key.'} It is kept until this tab is closed.</p>
        <label class="field">
          <span>Key</span>
          <input name="key" type="password" autocomplete="off" required autofocus />
        </label>
        <button type="submit" class="primary">
          Use this key
        </button>
      </form>
    </Dialog>
  )
}
