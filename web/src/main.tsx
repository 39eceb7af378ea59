// The page begins here: what the server offers, the conversation that the address names, the first picture.
import { render } from 'preact'
import { loadList } from './data/store.ts'
import { meet } from './data/server.ts'
import { sweep } from './pictures/pictures.ts'
import { App } from './ui/App.tsx'
import { listenForCopies } from './ui/clipboard.ts'
import { follow } from './ui/route.ts'
import { tell } from './ui/state.ts'

/** What nobody else has dealt with: above all a browser whose storage is full. */
addEventListener('unhandledrejection', (event) => {
  const isFull = (event.reason as { name?: string } | null)?.name === 'QuotaExceededError'
  tell(isFull ? 'The browser’s storage is full: export and delete conversations.' : 'Something went wrong in this page; reload it to be safe.')
})

async function start(): Promise<void> {
  const root = document.getElementById('page')!
  listenForCopies(root)
  void meet()
  await loadList()
  await follow()
  render(<App />, root)
  void sweep()
}

void start()
