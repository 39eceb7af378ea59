// The settings of the open conversation, beside it: what the model is told, how it draws, what form answers have.
import { useEffect, useRef } from 'preact/hooks'
import { changeSettings, conversations, settings } from '../../data/store.ts'
import { contextSize, model, props } from '../../data/server.ts'
import { exportJson, importJson, save } from '../../data/transfer.ts'
import { count } from '../format.ts'
import { Icon, IconButton } from '../icons.tsx'
import { showsSettings, tell } from '../state.ts'
import { FormSettings } from './FormSettings.tsx'
import { NumberField } from './NumberField.tsx'
import { SamplingSettings } from './SamplingSettings.tsx'
import { ToolSettings } from './ToolSettings.tsx'

export function SettingsPanel() {
  const panel = useRef<HTMLElement>(null)
  useEffect(() => {
    panel.current?.querySelector<HTMLElement>('textarea, input')?.focus({ preventScroll: true })
    return () => document.getElementById('settings-button')?.focus()
  }, [])
  const close = () => (showsSettings.value = false)
  return (
    <aside
      class="settings"
      aria-label="Settings"
      ref={panel}
      onKeyDown={(e) => {
        if (e.key !== 'Escape') return
        e.stopPropagation()
        close()
      }}
    >
      <div class="settings-head">
        <h2>Settings</h2>
        <IconButton icon="close" label="Close the settings" onClick={close} />
      </div>
      <p class="hint">They hold for this conversation; the next new one begins with them.</p>
      <Part title="System prompt">
        <label class="field">
          <span class="visually-hidden">System prompt</span>
          <textarea
            rows={4}
            placeholder="What the model should know or keep to, in every answer"
            value={settings.value.system}
            onInput={(e) => changeSettings({ system: e.currentTarget.value })}
          />
        </label>
      </Part>
      <Part title="Sampling">
        <SamplingSettings />
      </Part>
      <Part title="Form of answers">
        <FormSettings />
      </Part>
      <Part title="Functions">
        <ToolSettings />
      </Part>
      <Part title="Context">
        <ContextSettings />
      </Part>
      <Part title="Conversations">
        <Transfer />
      </Part>
      <About />
    </aside>
  )
}

function Part({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <section class="settings-part">
      <h3>{title}</h3>
      {children}
    </section>
  )
}

function ContextSettings() {
  return (
    <>
      <p class="hint">
        {contextSize.value
          ? `The server gives a conversation ${count(contextSize.value)} tokens, prompt and answer together.`
          : 'The server does not say how many tokens a conversation has.'}
      </p>
      <NumberField
        label="Use at most"
        unit="tokens"
        value={settings.value.contextLimit}
        min={256}
        max={contextSize.value ?? 131072}
        step={256}
        fallback={contextSize.value}
        change={(contextLimit) => changeSettings({ contextLimit })}
      />
      <label class="field">
        <span>When it is full</span>
        <select value={settings.value.whenFull} onChange={(e) => changeSettings({ whenFull: e.currentTarget.value as 'tell' | 'trim' })}>
          <option value="tell">say so, and let me choose</option>
          <option value="trim">leave out the oldest exchanges</option>
        </select>
      </label>
    </>
  )
}

function Transfer() {
  const input = useRef<HTMLInputElement>(null)
  const exportAll = async () => {
    const day = new Date().toISOString().slice(0, 10)
    save(`carat-conversations-${day}.json`, 'application/json', await exportJson(conversations.value.map((c) => c.id)))
  }
  const take = async (files: FileList | null) => {
    for (const file of files ?? []) {
      try {
        const n = await importJson(await file.text())
        tell(n === 1 ? 'One conversation came in.' : `${n} conversations came in.`)
      } catch (e) {
        tell((e as Error).message)
      }
    }
    if (input.current) input.current.value = ''
  }
  return (
    <>
      <p class="hint">They are kept in this browser alone. An export has everything: branches, pictures, settings.</p>
      <div class="buttons">
        <button type="button" disabled={conversations.value.length === 0} onClick={() => void exportAll()}>
          <Icon name="download" size={16} /> Export all
        </button>
        <button type="button" onClick={() => input.current?.click()}>
          <Icon name="upload" size={16} /> Import
        </button>
        <input ref={input} id="import-input" class="visually-hidden" type="file" accept="application/json,.json" tabindex={-1} aria-label="File of conversations" onChange={(e) => void take(e.currentTarget.files)} />
      </div>
    </>
  )
}

function About() {
  return (
    <footer class="about">
      <p>
        {model.value?.id}
        {props.value.build_info ? ` · ${props.value.build_info}` : ''}
      </p>
      <p>
        This page sends requests to its own server only. <a href="licences.txt">Licences</a> of what it is built with.
      </p>
    </footer>
  )
}
