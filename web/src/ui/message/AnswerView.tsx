// What the model says: Markdown, or JSON where that was asked for, and the functions that it calls.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Message } from '../../data/types.ts'
import { running, type Running } from '../../talk/answer.ts'
import { codeBlock, sanitise } from '../../text/markdown.ts'
import { morph } from '../../text/morph.ts'
import { pretty } from '../../text/json.ts'
import { Prose } from '../../text/prose.ts'
import { isLoaded } from '../../data/server.ts'
import { count, seconds, speed } from '../format.ts'
import { say } from '../state.ts'
import { useTick } from '../tick.ts'
import { CallCard } from './CallCard.tsx'

interface AnswerViewProps {
  message: Message
  results: Message[]
  isLast: boolean
}

export function AnswerView({ message, results, isLast }: AnswerViewProps) {
  const answering = running.value.get(message.conversation)
  const live = answering?.id === message.id ? answering : undefined
  // The same components while it is written and after, so that what is there stays as it is.
  const text = live ? live.text.value : message.text
  const calls = live ? live.calls.value : (message.calls ?? [])
  return (
    <>
      {text && <Text text={text} isOpen={live !== undefined} isJson={Boolean(message.isJson)} />}
      {calls.map((call) => (
        <CallCard
          key={call.id}
          call={call}
          message={live ? undefined : message}
          result={results.find((r) => r.callId === call.id)}
          isLast={isLast}
        />
      ))}
      {live && <LiveLine live={live} />}
    </>
  )
}

/** How long it takes and how fast it comes, while it comes. */
function LiveLine({ live }: { live: Running }) {
  useTick(200)
  useEffect(() => {
    say('The model answers.')
    return () => say(live.text.peek() ? `Answer: ${live.text.peek().slice(-400)}` : '')
  }, [])
  const now = performance.now()
  const first = live.first.value
  const n = live.pieces.value
  const rate = first && n > 4 ? (n - 1) / ((now - first) / 1000) : 0
  return (
    <p class="live">
      <span class="pulse" aria-hidden="true" />
      {first ? `about ${count(n)} tokens${rate ? ` · ${speed(rate)}` : ''}` : `${isLoaded.value ? 'reading the prompt' : 'loading the model'} · ${seconds(now - live.started)}`}
    </p>
  )
}

function Text({ text, isOpen, isJson }: { text: string; isOpen: boolean; isJson: boolean }) {
  const host = useRef<HTMLDivElement>(null)
  const prose = useRef<Prose | null>(null)
  useLayoutEffect(() => {
    if (isJson) {
      prose.current = null
      const json = document.createElement('div')
      json.append(sanitise(codeBlock(isOpen ? text : pretty(text), 'json')))
      morph(host.current!, json)
    } else {
      prose.current ??= new Prose(host.current!)
      prose.current.update(text, isOpen)
    }
  }, [text, isOpen, isJson])
  return <div class="prose" ref={host} />
}
