// Errors in plain words, with what to do.
import { RequestFailed } from '../api/client.ts'
import type { ServerError } from '../api/types.ts'
import type { Fault } from '../data/types.ts'

const sentence = (text: string | undefined): string => {
  if (!text) return ''
  const first = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(first) ? first : `${first}.`
}

export function faultOf(e: unknown): Fault {
  if (!(e instanceof RequestFailed)) {
    return { title: 'The connection broke off', detail: 'What had arrived until then is kept.', remedies: ['retry'] }
  }
  const said = sentence(e.error.message)
  if (e.error.code === 'context_length_exceeded') {
    return { title: 'The conversation is longer than the model’s context', detail: said, remedies: ['trim', 'new'] }
  }
  switch (e.status) {
    case 0:
      return {
        title: 'The server does not answer',
        detail: 'Is “carat serve” still running, and does this device still reach it?',
        remedies: ['retry'],
      }
    case 400:
    case 422:
      return { title: 'The server refused this request', detail: said, remedies: ['settings', 'retry'] }
    case 401:
    case 403:
      return { title: 'The server wants an API key', detail: 'Try again and enter one that it knows.', remedies: ['retry'] }
    case 404:
      return { title: 'The server does not know this', detail: said || 'Is the model still there?', remedies: ['retry'] }
    case 413:
      return {
        title: 'Too large for the server',
        detail: 'A smaller picture or a shorter text may pass; --max-body sets the limit.',
        remedies: ['new'],
      }
    case 429:
      return {
        title: 'The server has too much to do',
        detail: e.retryAfter ? `It asks to wait ${e.retryAfter} s.` : 'Wait a little.',
        remedies: ['retry'],
      }
    case 503:
      return { title: 'The server is not ready', detail: said || 'It may still be loading the model.', remedies: ['retry'] }
    default:
      return { title: 'The server failed', detail: said || `It answered with status ${e.status}.`, remedies: ['retry'] }
  }
}

/** An error that came in the stream, behind the first bytes. */
export const failedInStream = (error: ServerError): RequestFailed =>
  new RequestFailed(typeof error.code === 'number' ? error.code : 500, error)
