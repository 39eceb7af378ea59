// A conversation: its messages, at the end the field for the next one.
import { computed, signal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { current, messages, path } from '../data/store.ts'
import { isKnown, models, trouble } from '../data/server.ts'
import { childIndex } from '../data/tree.ts'
import type { Message } from '../data/types.ts'
import { running } from '../talk/answer.ts'
import { onDrop, onPaste } from './attach.ts'
import { Composer } from './Composer.tsx'
import { Empty, NoServer } from './Empty.tsx'
import { Icon, IconButton } from './icons.tsx'
import { MessageView } from './message/MessageView.tsx'
import { showBranch } from '../data/store.ts'

const FIRST_SHOWN = 60 // messages; more come as one scrolls up

const siblings = computed(() => childIndex(messages.value))
const isAtEnd = signal(true)

export function Chat() {
  const isDragged = useDrag()
  const isEmpty = path.value.length === 0
  return (
    <div class={`chat${isEmpty ? ' is-empty' : ''}`}>
      {isEmpty ? <EmptyThread /> : <Thread key={current.value?.id} />}
      <Composer />
      {isDragged && (
        <div class="drop" aria-hidden="true">
          <Icon name="picture" size={28} /> Drop pictures here
        </div>
      )}
    </div>
  )
}

function EmptyThread() {
  const isUnreached = trouble.value !== null && models.value.length === 0
  return <div class="thread">{isUnreached ? <NoServer /> : isKnown.value && <Empty />}</div>
}

function Thread() {
  const scroller = useRef<HTMLDivElement>(null)
  const list = useRef<HTMLOListElement>(null)
  const shown = useRef(signal(FIRST_SHOWN)).current
  useFollow(scroller, list)

  const all = path.value
  const results = resultsOf(all)
  const visible = all.filter((m) => m.role !== 'tool')
  const hidden = Math.max(0, visible.length - shown.value)
  return (
    <div class="thread" ref={scroller} tabindex={0} role="region" aria-label="Conversation">
      <h1 class="visually-hidden">{current.value?.title}</h1>
      <ol class="messages" ref={list}>
        {hidden > 0 && (
          <li class="earlier">
            <button type="button" onClick={() => showMore(scroller.current!, () => (shown.value += FIRST_SHOWN))}>
              Show {Math.min(hidden, FIRST_SHOWN)} earlier messages
            </button>
          </li>
        )}
        {visible.slice(hidden).map((message) => (
          <MessageView
            key={message.id}
            message={message}
            siblings={siblings.value.get(message.parent) ?? []}
            results={results.get(message.id) ?? []}
            isLast={message === visible.at(-1)}
          />
        ))}
        <Onward head={all.at(-1)} />
      </ol>
      {!isAtEnd.value && (
        <IconButton icon="down" label="To the end" class="to-end" onClick={() => toEnd(scroller.current!)} />
      )}
    </div>
  )
}

/** What follows the head, when one has gone back to begin a new branch there. */
function Onward({ head }: { head: Message | undefined }) {
  const next = head ? (siblings.value.get(head.id) ?? []) : []
  if (!next.length) return null
  return (
    <li class="onward">
      <span>What you write now begins a new branch here.</span>
      <button type="button" class="link" onClick={() => void showBranch(next.at(-1)!.id)}>
        Back to the other one
      </button>
    </li>
  )
}

/** The results that follow each answer with calls. */
function resultsOf(all: Message[]): Map<string, Message[]> {
  const results = new Map<string, Message[]>()
  let caller = ''
  for (const m of all) {
    if (m.role === 'tool') results.set(caller, [...(results.get(caller) ?? []), m])
    else caller = m.id
  }
  return results
}

function showMore(scroller: HTMLElement, grow: () => void): void {
  const fromEnd = scroller.scrollHeight - scroller.scrollTop
  grow()
  requestAnimationFrame(() => (scroller.scrollTop = scroller.scrollHeight - fromEnd))
}

function toEnd(scroller: HTMLElement): void {
  isAtEnd.value = true
  scroller.scrollTop = scroller.scrollHeight
}

/** Stays at the end while text comes, unless one has scrolled up; a message of one's own brings it back there. */
function useFollow(scroller: { current: HTMLElement | null }, list: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const box = scroller.current!
    toEnd(box)
    let top = box.scrollTop
    const onScroll = () => {
      // Text that came since the last frame moves the end away, too: only going up leaves it.
      if (box.scrollHeight - box.scrollTop - box.clientHeight < 48) isAtEnd.value = true
      else if (box.scrollTop < top - 1) isAtEnd.value = false
      top = box.scrollTop
    }
    const observer = new ResizeObserver(() => isAtEnd.peek() && toEnd(box))
    observer.observe(list.current!)
    observer.observe(box)
    box.addEventListener('scroll', onScroll, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', onScroll)
    }
  }, [])
  const writing = current.value ? running.value.get(current.value.id)?.id : undefined
  useEffect(() => {
    if (writing && scroller.current) toEnd(scroller.current)
  }, [writing])
}

const dragged = signal(false)

function useDrag(): boolean {
  useEffect(() => {
    let depth = 0
    const hasFiles = (e: DragEvent) => e.dataTransfer?.types.includes('Files') ?? false
    const enter = (e: DragEvent) => hasFiles(e) && (depth++, (dragged.value = true))
    const leave = () => --depth <= 0 && ((depth = 0), (dragged.value = false))
    const over = (e: DragEvent) => hasFiles(e) && e.preventDefault()
    const drop = (e: DragEvent) => {
      depth = 0
      dragged.value = false
      if (hasFiles(e)) onDrop(e)
    }
    const paste = (e: ClipboardEvent) => !(e.target as Element).closest?.('input, textarea') && onPaste(e)
    const listeners = { dragenter: enter, dragleave: leave, dragover: over, drop, paste } as Record<string, (e: never) => void>
    for (const [name, fn] of Object.entries(listeners)) addEventListener(name, fn as EventListener)
    return () => {
      for (const [name, fn] of Object.entries(listeners)) removeEventListener(name, fn as EventListener)
    }
  }, [])
  return dragged.value
}
