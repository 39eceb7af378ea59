// The frame: the list of conversations, the bar, what is shown, panels and dialogs.
import { useEffect } from 'preact/hooks'
import { current } from '../data/store.ts'
import { models, model, chooseModel } from '../data/server.ts'
import { stop } from '../talk/answer.ts'
import { CameraDialog } from './CameraDialog.tsx'
import { Chat } from './Chat.tsx'
import { IconButton } from './icons.tsx'
import { KeyDialog } from './KeyDialog.tsx'
import { KeysDialog } from './KeysDialog.tsx'
import { PictureDialog } from './PictureDialog.tsx'
import { Planner } from './planner/Planner.tsx'
import { conversationHash, startNew } from './route.ts'
import { SettingsPanel } from './settings/SettingsPanel.tsx'
import { Sidebar } from './Sidebar.tsx'
import { closeNotice, focusComposer, isWide, notice, place, said, showsKeys, showsList, showsSettings, takeNotice } from './state.ts'

export function App() {
  useEffect(() => {
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  const isCovered = !isWide.value && (showsList.value || showsSettings.value)
  return (
    <div class={`app${showsList.value ? ' has-list' : ''}${showsSettings.value ? ' has-settings' : ''}`}>
      <button type="button" class="skip" onClick={focusComposer}>
        Skip to the message field
      </button>
      <Sidebar />
      {isCovered && <div class="shade" onClick={closePanels} />}
      <div class="stage" inert={isCovered}>
        <Bar />
        <main>{place.value === 'chat' ? <Chat /> : <Planner />}</main>
      </div>
      {showsSettings.value && <SettingsPanel />}
      <KeyDialog />
      <KeysDialog />
      <PictureDialog />
      <CameraDialog />
      <NoticeLine />
      <p class="visually-hidden" role="status" aria-live="polite">
        {said.value}
      </p>
    </div>
  )
}

function Bar() {
  const chat = current.value ? conversationHash(current.value.id) : '#/'
  return (
    <header class="bar">
      {!showsList.value && (
        <>
          <IconButton icon="panel" label="Show conversations" keys="Ctrl+B" onClick={toggleList} />
          <IconButton icon="plus" label="New conversation" keys="Ctrl+Shift+O" onClick={startNew} />
        </>
      )}
      <nav class="tabs" aria-label="Parts of the page">
        <a href={chat} aria-current={place.value === 'chat' ? 'page' : undefined}>
          Chat
        </a>
        <a href="#/planner" aria-current={place.value === 'planner' ? 'page' : undefined}>
          Memory planner
        </a>
      </nav>
      <span class="space" />
      <ModelChoice />
      <IconButton
        icon="sliders"
        id="settings-button"
        label="Settings"
        keys="Ctrl+,"
        expanded={showsSettings.value}
        onClick={() => (showsSettings.value = !showsSettings.value)}
      />
    </header>
  )
}

function ModelChoice() {
  if (models.value.length < 2) {
    return <span class="model-name" title={model.value?.id}>{model.value?.id ?? ''}</span>
  }
  return (
    <label class="model-choice">
      <span class="visually-hidden">Model</span>
      <select value={model.value?.id} onChange={(e) => chooseModel(e.currentTarget.value)}>
        {models.value.map((m) => (
          <option key={m.id} value={m.id}>
            {m.id}
          </option>
        ))}
      </select>
    </label>
  )
}

function NoticeLine() {
  const shown = notice.value
  if (!shown) return null
  return (
    <div class="notice" role="status">
      <span>{shown.text}</span>
      {shown.action && (
        <button type="button" class="link" onClick={takeNotice}>
          {shown.action.label}
        </button>
      )}
      <IconButton icon="close" label="Close this notice" onClick={closeNotice} />
    </div>
  )
}

// ---- keyboard ----

const toggleList = (): void => void (showsList.value = !showsList.value)

function closePanels(): void {
  showsSettings.value = false
  if (!isWide.value) showsList.value = false
}

function onKey(event: KeyboardEvent): void {
  const isTyping = (event.target as Element).matches?.('input, textarea, select')
  const control = event.ctrlKey || event.metaKey
  if (event.key === 'Escape' && !document.querySelector('dialog[open]')) {
    if (!isWide.value && (showsSettings.value || showsList.value)) closePanels()
    else if (current.value) void stop(current.value.id)
  } else if (control && event.shiftKey && event.key.toLowerCase() === 'o') {
    event.preventDefault()
    startNew()
  } else if (control && !event.shiftKey && event.key.toLowerCase() === 'b') {
    event.preventDefault()
    toggleList()
  } else if (control && event.key === ',') {
    event.preventDefault()
    showsSettings.value = !showsSettings.value
  } else if (!isTyping && !control && !event.altKey && event.key === '/') {
    event.preventDefault()
    focusComposer()
  } else if (!isTyping && !control && event.key === '?') {
    showsKeys.value = true
  }
}

