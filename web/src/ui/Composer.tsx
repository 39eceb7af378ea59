// The field for the next message: text, pictures, how many tokens they are, send and stop.
import { signal, useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { countTokens } from '../api/client.ts'
import { current, path, settings } from '../data/store.ts'
import { canSee, contextSize, model } from '../data/server.ts'
import type { Picture } from '../data/types.ts'
import { send } from '../talk/actions.ts'
import { running, stop } from '../talk/answer.ts'
import { toolsOf } from '../talk/tools.ts'
import { addPictures, changePicture, draftPictures, draftText, hasCamera, onPaste, removePicture } from './attach.ts'
import { count } from './format.ts'
import { Icon, IconButton } from './icons.tsx'
import { PictureChip } from './PictureChip.tsx'
import { edited, isWide, say, showsCamera, showsSettings, viewed } from './state.ts'

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null)
  const answering = current.value ? running.value.get(current.value.id) : undefined
  const canSend = draftText.value.trim() !== '' || draftPictures.value.length > 0
  useLayoutEffect(() => grow(field.current), [draftText.value])
  useEffect(() => {
    if (isWide.value) field.current?.focus()
  }, [current.value?.id])

  const submit = () => {
    if (!canSend || answering) return
    const text = draftText.value.trim()
    const pictures = draftPictures.value
    draftText.value = ''
    draftPictures.value = []
    void send(text, pictures)
  }
  return (
    <form
      class="composer"
      onSubmit={(e) => {
        e.preventDefault()
        submit()
      }}
    >
      <div class="composer-box">
        {draftPictures.value.length > 0 && (
          <ul class="chips" aria-label="Attached pictures">
            {draftPictures.value.map((p) => (
              <PictureChip key={p.id} picture={p} open={() => (viewed.value = { picture: p, change: changePicture })} remove={() => removePicture(p.id)} />
            ))}
          </ul>
        )}
        <textarea
          id="composer"
          ref={field}
          rows={1}
          placeholder="Write a message"
          aria-label="Message"
          value={draftText.value}
          onInput={(e) => (draftText.value = e.currentTarget.value)}
          onPaste={onPaste}
          onKeyDown={(e) => onKey(e, submit)}
        />
        <div class="composer-row">
          <Attach />
          <Forms />
          <span class="space" />
          <DraftCount text={draftText.value} pictures={draftPictures.value} />
          {answering ? (
            <IconButton icon="stop" label="Stop" keys="Esc" class="send is-stop" onClick={() => void stop(answering.conversation)} />
          ) : (
            <button type="submit" class="icon-button send" aria-label="Send" title="Send (Enter)" disabled={!canSend}>
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
      <Meter />
    </form>
  )
}

function onKey(event: KeyboardEvent, submit: () => void): void {
  const field = event.currentTarget as HTMLTextAreaElement
  // Keyboards on a screen have no Shift+Enter: there Enter is a new line, and the button sends.
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && !matchMedia('(pointer: coarse)').matches) {
    event.preventDefault()
    submit()
  } else if (event.key === 'ArrowUp' && field.value === '') {
    const last = path.value.findLast((m) => m.role === 'user')
    if (!last) return
    event.preventDefault()
    edited.value = last.id
  }
}

function grow(field: HTMLTextAreaElement | null): void {
  if (!field) return
  field.style.height = 'auto'
  field.style.height = `${Math.min(field.scrollHeight, innerHeight * 0.4)}px`
}

function Attach() {
  const input = useRef<HTMLInputElement>(null)
  if (!canSee.value) return null
  const take = (e: Event & { currentTarget: HTMLInputElement }) => {
    const files = [...(e.currentTarget.files ?? [])]
    e.currentTarget.value = ''
    void addPictures(files)
  }
  return (
    <>
      <input ref={input} id="picture-input" class="visually-hidden" type="file" accept="image/*" multiple tabindex={-1} aria-label="Picture file" onChange={take} />
      <IconButton icon="picture" label="Add a picture" onClick={() => input.current?.click()} />
      {hasCamera() ? (
        <IconButton icon="camera" label="Take a picture" onClick={() => (showsCamera.value = true)} />
      ) : (
        <label class="icon-button only-touch" title="Take a picture">
          <Icon name="camera" />
          <input class="visually-hidden" type="file" accept="image/*" capture="environment" aria-label="Take a picture" onChange={take} />
        </label>
      )}
    </>
  )
}

/** What the answer is bound to, where it is: one click from the settings. */
function Forms() {
  const n = settings.value.toolChoice === 'none' ? 0 : toolsOf(settings.value).length
  const marks = [
    settings.value.form === 'json' && 'JSON',
    settings.value.form === 'schema' && 'Schema',
    n > 0 && (n === 1 ? '1 function' : `${n} functions`),
    settings.value.system.trim() && 'System prompt',
  ].filter(Boolean)
  return (
    <span class="marks">
      {marks.map((mark) => (
        <button key={mark} type="button" class="mark" title="In the settings" onClick={() => (showsSettings.value = true)}>
          {mark}
        </button>
      ))}
    </span>
  )
}

const counted = signal(0)

function DraftCount({ text, pictures }: { text: string; pictures: Picture[] }) {
  useEffect(() => {
    if (!text.trim()) {
      counted.value = 0
      return
    }
    const aborter = new AbortController()
    const timer = setTimeout(() => {
      countTokens(model.value?.id, text, aborter.signal).then(
        (n) => (counted.value = n),
        () => (counted.value = 0),
      )
    }, 300)
    return () => {
      clearTimeout(timer)
      aborter.abort()
    }
  }, [text])
  if (!counted.value) return null
  return <span class="count">{`${count(counted.value)} ${counted.value === 1 ? 'token' : 'tokens'}${pictures.length ? ' of text' : ''}`}</span>
}

/** How much of the context this conversation takes. */
function Meter() {
  const wasNear = useSignal(false)
  const last = path.value.findLast((m) => m.stats)?.stats
  const size = Math.min(contextSize.value ?? Infinity, settings.value.contextLimit ?? Infinity)
  const used = last ? last.prompt + last.answer : 0
  const share = Number.isFinite(size) ? Math.min(1, used / size) : 0
  useEffect(() => {
    const isNear = share > 0.9
    if (isNear && !wasNear.value) say('The context is nearly full.')
    wasNear.value = isNear
  }, [share])
  if (!used || !Number.isFinite(size)) return <p class="meter-line">Answers can be wrong. What matters should be checked.</p>
  return (
    <p class="meter-line">
      <meter min={0} max={1} high={0.8} optimum={0} value={share} aria-label="Share of the context in use" />
      {count(used)} of {count(size)} tokens of context
    </p>
  )
}
