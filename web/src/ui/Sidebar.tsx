// The conversations that this browser keeps: found, opened, renamed, exported, removed.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { conversations, current, isKept, removeForGood, removeFromList, rename } from '../data/store.ts'
import { exportJson, exportMarkdown, fileName, save } from '../data/transfer.ts'
import type { Conversation } from '../data/types.ts'
import { running, stop } from '../talk/answer.ts'
import { dayGroup } from './format.ts'
import { Icon, IconButton } from './icons.tsx'
import { Menu } from './Menu.tsx'
import { conversationHash, go, startNew } from './route.ts'
import { isWide, place, showsKeys, showsList, tell, theme, type Theme } from './state.ts'

export function Sidebar() {
  const wanted = useSignal('')
  const words = wanted.value.trim().toLowerCase()
  const found = words ? conversations.value.filter((c) => c.title.toLowerCase().includes(words)) : conversations.value
  return (
    <aside class="sidebar" aria-label="Conversations" inert={!showsList.value}>
      <div class="sidebar-head">
        <a class="brand" href="#/" onClick={startNew}>
          <Icon name="gem" size={20} />
          Carat
        </a>
        <IconButton icon="panel" label="Hide conversations" keys="Ctrl+B" onClick={() => (showsList.value = false)} />
      </div>
      <button type="button" class="new-chat" onClick={startNew}>
        <Icon name="plus" /> New conversation
      </button>
      {conversations.value.length > 6 && (
        <label class="search">
          <Icon name="search" size={16} />
          <span class="visually-hidden">Find a conversation</span>
          <input type="search" placeholder="Find" value={wanted.value} onInput={(e) => (wanted.value = e.currentTarget.value)} />
        </label>
      )}
      <List list={found} isFiltered={words !== ''} />
      {!isKept.value && <p class="sidebar-note">This browser lets the page keep nothing: conversations end with this window.</p>}
      <div class="sidebar-foot">
        <ThemeChoice />
        <IconButton icon="keyboard" label="Keyboard shortcuts" keys="?" onClick={() => (showsKeys.value = true)} />
      </div>
    </aside>
  )
}

function List({ list, isFiltered }: { list: Conversation[]; isFiltered: boolean }) {
  if (!list.length) return <p class="sidebar-note">{isFiltered ? 'None has this in its title.' : 'Conversations are kept in this browser and nowhere else.'}</p>
  const groups = new Map<string, Conversation[]>()
  for (const c of list) {
    const name = dayGroup(c.updated)
    groups.set(name, [...(groups.get(name) ?? []), c])
  }
  return (
    <nav class="list" aria-label="Kept conversations">
      {[...groups].map(([name, rows]) => (
        <section key={name}>
          <h2>{name}</h2>
          <ul>
            {rows.map((c) => (
              <Row key={c.id} conversation={c} />
            ))}
          </ul>
        </section>
      ))}
    </nav>
  )
}

function Row({ conversation }: { conversation: Conversation }) {
  const isRenamed = useSignal(false)
  const isOpen = place.value === 'chat' && current.value?.id === conversation.id
  if (isRenamed.value) return <RenameRow conversation={conversation} done={() => (isRenamed.value = false)} />
  return (
    <li class={`row${isOpen ? ' is-open' : ''}`}>
      <a
        href={conversationHash(conversation.id)}
        aria-current={isOpen ? 'true' : undefined}
        title={conversation.title}
        onClick={() => !isWide.value && (showsList.value = false)}
      >
        {conversation.title}
      </a>
      {running.value.has(conversation.id) && <span class="dot" role="img" aria-label="is being answered" />}
      <Menu
        label={`Options of “${conversation.title}”`}
        items={[
          { icon: 'pencil', label: 'Rename', run: () => (isRenamed.value = true) },
          { icon: 'download', label: 'Export', run: () => void exportOne(conversation) },
          { icon: 'download', label: 'Export as Markdown', run: () => void exportRead(conversation) },
          { icon: 'trash', label: 'Delete', run: () => remove(conversation) },
        ]}
      />
    </li>
  )
}

function RenameRow({ conversation, done }: { conversation: Conversation; done: () => void }) {
  const isGivenUp = useRef(false)
  return (
    <li class="row">
      <input
        class="rename"
        aria-label="Title"
        value={conversation.title}
        ref={(input) => input?.focus()}
        onFocus={(e) => e.currentTarget.select()}
        onKeyDown={(e) => {
          if (e.key === 'Escape') isGivenUp.current = true
          if (e.key === 'Escape' || e.key === 'Enter') e.currentTarget.blur()
          e.stopPropagation()
        }}
        onBlur={(e) => {
          if (!isGivenUp.current) void rename(conversation.id, e.currentTarget.value)
          done()
        }}
      />
    </li>
  )
}

async function exportOne(c: Conversation): Promise<void> {
  save(fileName(c.title, 'json'), 'application/json', await exportJson([c.id]))
}

async function exportRead(c: Conversation): Promise<void> {
  save(fileName(c.title, 'md'), 'text/markdown', await exportMarkdown(c.id))
}

function remove(c: Conversation): void {
  void stop(c.id)
  const wasOpen = current.value?.id === c.id
  const putBack = removeFromList(c.id)
  if (wasOpen) go('#/')
  tell(`“${c.title}” is deleted.`, { label: 'Undo', run: putBack }, () => void removeForGood(c.id))
}

const THEMES: { value: Theme; icon: 'system' | 'sun' | 'moon'; label: string }[] = [
  { value: 'system', icon: 'system', label: 'Colours of the system' },
  { value: 'light', icon: 'sun', label: 'Light' },
  { value: 'dark', icon: 'moon', label: 'Dark' },
]

function ThemeChoice() {
  return (
    <div class="segments small" role="group" aria-label="Colours">
      {THEMES.map(({ value, icon, label }) => (
        <IconButton key={value} icon={icon} label={label} pressed={theme.value === value} onClick={() => (theme.value = value)} />
      ))}
    </div>
  )
}
