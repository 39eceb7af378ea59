// One message: who says it, what, and what can be done with it.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { showBranch } from '../../data/store.ts'
import type { Message } from '../../data/types.ts'
import { branchHere, editUser, editAnswer, goOn, regenerate } from '../../talk/actions.ts'
import { running } from '../../talk/answer.ts'
import { copy } from '../clipboard.ts'
import { Icon, IconButton } from '../icons.tsx'
import { Menu, type MenuItem } from '../Menu.tsx'
import { PictureChip } from '../PictureChip.tsx'
import { conversationHash, go } from '../route.ts'
import { edited, focusComposer, tell, viewed } from '../state.ts'
import { branchOff, removeBranch } from '../../data/store.ts'
import { AnswerView } from './AnswerView.tsx'
import { Editor } from './Editor.tsx'
import { FaultCard } from './FaultCard.tsx'
import { StatsLine } from './StatsLine.tsx'

interface MessageViewProps {
  message: Message
  siblings: Message[]
  results: Message[] // of its calls
  isLast: boolean
}

export function MessageView({ message, siblings, results, isLast }: MessageViewProps) {
  const isUser = message.role === 'user'
  const isRunning = running.value.get(message.conversation)?.id === message.id
  return (
    <li class={`message ${isUser ? 'from-user' : 'from-model'}${isLast ? ' is-last' : ''}`} id={`m-${message.id}`}>
      <article aria-label={isUser ? 'You' : 'Model'} aria-busy={isRunning}>
        <h2 class="visually-hidden">{isUser ? 'You' : 'Model'}</h2>
        {edited.value === message.id ? (
          <EditorOf message={message} />
        ) : (
          <>
            {isUser ? <UserText message={message} /> : <AnswerView message={message} results={results} isLast={isLast} />}
            {message.fault && <FaultCard message={message} />}
            {message.notice && <p class="remark">{message.notice}</p>}
            {!isRunning && (
              <footer class="message-foot">
                <Siblings message={message} all={siblings} />
                <Actions message={message} />
                {!isUser && <StatsLine message={message} />}
              </footer>
            )}
          </>
        )}
      </article>
    </li>
  )
}

function UserText({ message }: { message: Message }) {
  return (
    <div class="said">
      {message.pictures && (
        <ul class="chips" aria-label="Pictures">
          {message.pictures.map((p) => (
            <PictureChip key={p.id} picture={p} open={() => (viewed.value = { picture: p })} />
          ))}
        </ul>
      )}
      {message.text && <SaidText text={message.text} />}
    </div>
  )
}

const isLong = (text: string): boolean => text.length > 1600 || text.split('\n').length > 24

function SaidText({ text }: { text: string }) {
  const isFolded = useSignal(isLong(text))
  return (
    <div class={`said-text${isFolded.value ? ' is-folded' : ''}`}>
      <p>{text}</p>
      {isLong(text) && (
        <button type="button" class="link" aria-expanded={!isFolded.value} onClick={() => (isFolded.value = !isFolded.value)}>
          {isFolded.value ? 'Show all of it' : 'Show less'}
        </button>
      )}
    </div>
  )
}

function EditorOf({ message }: { message: Message }) {
  const close = () => (edited.value = null)
  const isUser = message.role === 'user'
  return (
    <Editor
      text={message.text}
      label={isUser ? 'Edit your message' : 'Edit the answer'}
      action={isUser ? 'Send' : 'Save'}
      hint={isUser ? 'The message as it was stays, as another branch.' : 'The answer as it was stays, as another branch.'}
      cancel={() => {
        close()
        focusComposer()
      }}
      save={(text) => {
        close()
        if (text === message.text && !isUser) return
        void (isUser ? editUser(message, text, message.pictures ?? []) : editAnswer(message, text))
        focusComposer()
      }}
    />
  )
}

/** ‹ 2 / 3 ›: the branches that begin here. */
function Siblings({ message, all }: { message: Message; all: Message[] }) {
  const at = all.findIndex((m) => m.id === message.id)
  const box = useRef<HTMLDivElement>(null)
  if (all.length < 2) return null
  const show = (to: number, label: string) => {
    const id = all[to]!.id
    void showBranch(id).then(() =>
      // The message is another one now: the same button of it keeps the focus.
      requestAnimationFrame(() => document.querySelector<HTMLElement>(`#m-${id} .branches [aria-label="${label}"]`)?.focus()),
    )
  }
  return (
    <div class="branches" role="group" aria-label="Branches" ref={box}>
      <IconButton icon="left" label="Branch before" disabled={at === 0} onClick={() => show(at - 1, 'Branch before')} />
      <span>
        {at + 1} / {all.length}
      </span>
      <IconButton icon="right" label="Next branch" disabled={at === all.length - 1} onClick={() => show(at + 1, 'Next branch')} />
    </div>
  )
}

function Actions({ message }: { message: Message }) {
  const isUser = message.role === 'user'
  const canGoOn = !isUser && (message.finish === 'length' || message.finish === 'stopped' || message.finish === 'edited') && !message.isJson && message.text !== ''
  const more: MenuItem[] = [
    { icon: 'branch', label: 'New conversation from here', run: () => void branchOff(message.id).then((id) => id && go(conversationHash(id))) },
    { icon: 'trash', label: 'Delete from here on', run: () => void removeBranch(message.id) },
  ]
  if (!isUser) more.unshift({ icon: 'pencil', label: 'Edit the answer', run: () => (edited.value = message.id) })
  return (
    <div class="actions" role="group" aria-label={isUser ? 'Your message' : 'Answer'}>
      <IconButton icon="copy" label="Copy" onClick={() => void copy(message.text).then((ok) => tell(ok ? 'Copied.' : 'The browser does not let this page copy.'))} />
      {isUser && <IconButton icon="pencil" label="Edit" onClick={() => (edited.value = message.id)} />}
      {!isUser && <IconButton icon="again" label="Regenerate" onClick={() => void regenerate(message)} />}
      {!isUser && (
        <IconButton
          icon="fork"
          label="Branch from here"
          onClick={() => {
            void branchHere(message)
            focusComposer()
          }}
        />
      )}
      {canGoOn && (
        <button type="button" class="small-button" onClick={() => void goOn(message)}>
          <Icon name="goon" size={15} /> Continue
        </button>
      )}
      <Menu label="More" items={more} />
    </div>
  )
}
