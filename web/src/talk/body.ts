// The body of a request: settings and the path of messages, in the form of /v1/chat/completions.
import { bytesOf } from '../pictures/pictures.ts'
import type { Message, Settings } from '../data/types.ts'
import { parse } from '../text/json.ts'
import { toolsOf } from './tools.ts'

export type Body = Record<string, unknown> & { messages: Wire[] }
export type Wire = Record<string, unknown> & { role: string }

async function wireOf(message: Message): Promise<Wire> {
  switch (message.role) {
    case 'user': {
      if (!message.pictures?.length) return { role: 'user', content: message.text }
      const pictures = await Promise.all(
        message.pictures.map(async (p) => ({ type: 'image_url', image_url: { url: await bytesOf(p), detail: p.detail } })),
      )
      return { role: 'user', content: [...pictures, ...(message.text ? [{ type: 'text', text: message.text }] : [])] }
    }
    case 'assistant': {
      const calls = message.calls?.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: c.arguments } }))
      return { role: 'assistant', content: message.text || (calls?.length ? null : ''), ...(calls?.length ? { tool_calls: calls } : {}) }
    }
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, name: message.name, content: message.text }
  }
}

/** Answers that failed before a word came are no part of the conversation. */
const isSaid = (m: Message): boolean => m.role !== 'assistant' || m.text !== '' || (m.calls?.length ?? 0) > 0

export async function messagesOf(path: Message[], settings: Settings): Promise<Wire[]> {
  const system: Wire[] = settings.system.trim() ? [{ role: 'system', content: settings.system }] : []
  return [...system, ...(await Promise.all(path.filter(isSaid).map(wireOf)))]
}

function samplingOf(settings: Settings): Record<string, unknown> {
  const { stop, ...numbers } = settings.sampling
  const given = Object.entries(numbers).filter(([, value]) => value !== null)
  const stops = stop.split('\n').filter((line) => line !== '').slice(0, 16)
  return { ...Object.fromEntries(given), ...(stops.length ? { stop: stops } : {}) }
}

function formOf(settings: Settings): Record<string, unknown> {
  if (settings.form === 'text') return {}
  if (settings.form === 'json') return { response_format: { type: 'json_object' } }
  const schema = parse(settings.schema)
  if ('fault' in schema) throw new Error(schema.fault)
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: schema.value, strict: true } } }
}

export async function bodyOf(path: Message[], settings: Settings, model: string | undefined, isContinued: boolean): Promise<Body> {
  const tools = settings.toolChoice === 'none' || isContinued ? [] : toolsOf(settings)
  return {
    ...(model ? { model } : {}),
    messages: await messagesOf(path, settings),
    stream: true,
    stream_options: { include_usage: true },
    ...samplingOf(settings),
    ...(tools.length ? { tools, tool_choice: settings.toolChoice } : {}),
    // An answer that goes on has its form behind it: it is text from here.
    ...(isContinued ? { continue_final_message: true, add_generation_prompt: false } : formOf(settings)),
  }
}
