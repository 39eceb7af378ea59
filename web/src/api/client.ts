// Requests to the server that handed out this page. All addresses are relative: the page works behind any path.
import { signal } from '@preact/signals'
import type { Crops, Estimate, Model, Props, ServerError } from './types.ts'

/** What the server answered, when that was not a success; status 0: it did not answer. */
export class RequestFailed extends Error {
  constructor(
    readonly status: number,
    readonly error: ServerError,
    readonly retryAfter: number | null = null,
  ) {
    super(error.message ?? `status ${status}`)
  }
}

const KEY = 'carat-api-key'
/** Someone waits for a key: the dialog is shown. `wasRefused`: one was tried. */
export const keyWanted = signal<{ wasRefused: boolean } | null>(null)
let keyGiven: Promise<boolean> | null = null
let giveKey: (isGiven: boolean) => void = () => {}

function askForKey(): Promise<boolean> {
  keyGiven ??= new Promise<boolean>((resolve) => {
    keyWanted.value = { wasRefused: sessionStorage.getItem(KEY) !== null }
    giveKey = (isGiven) => {
      keyGiven = null
      keyWanted.value = null
      resolve(isGiven)
    }
  })
  return keyGiven
}

/** The dialog's answer; null: none. The key is forgotten with the tab. */
export function answerKey(key: string | null): void {
  if (key !== null) sessionStorage.setItem(KEY, key)
  giveKey(key !== null)
}

async function failure(response: Response): Promise<RequestFailed> {
  let error: ServerError = {}
  try {
    const body: unknown = await response.json()
    const inner = (body as { error?: unknown }).error
    error = typeof inner === 'string' ? { message: inner } : ((inner as ServerError) ?? {})
  } catch {
    // no JSON: the status says it
  }
  const after = Number(response.headers.get('retry-after'))
  return new RequestFailed(response.status, error, Number.isFinite(after) && after > 0 ? after : null)
}

/** A response that is a success; asks for a key where the server wants one. Anything else is thrown. */
export async function request(path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  for (;;) {
    const key = sessionStorage.getItem(KEY)
    const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {}
    if (body !== undefined) headers['content-type'] = 'application/json'
    let response: Response
    try {
      response = await fetch(path, {
        method: body === undefined ? 'GET' : 'POST',
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
        cache: 'no-store',
        credentials: 'same-origin',
      })
    } catch (e) {
      if (signal?.aborted) throw e
      throw new RequestFailed(0, { message: 'no answer' })
    }
    if (response.ok) return response
    if (response.status !== 401) throw await failure(response)
    const isAnother = sessionStorage.getItem(KEY) !== key // given meanwhile, to another request
    if (!isAnother && !(await askForKey())) throw await failure(response)
  }
}

const json = async <T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> =>
  (await request(path, body, signal)).json() as Promise<T>

export const getModels = async (): Promise<Model[]> => (await json<{ data?: Model[] }>('v1/models')).data ?? []
export const getProps = (model?: string): Promise<Props> =>
  json<Props>(model ? `props?model=${encodeURIComponent(model)}` : 'props')

export async function countTokens(model: string | undefined, content: string, signal?: AbortSignal): Promise<number> {
  const reply = await json<{ tokens?: unknown[]; count?: number }>('tokenize', { model, content }, signal)
  return reply.count ?? reply.tokens?.length ?? 0
}

/** The tokens of a whole prompt; null where the server does not count messages. */
export async function countPrompt(body: object, signal?: AbortSignal): Promise<number | null> {
  try {
    const reply = await json<{ input_tokens?: number }>('v1/chat/completions/input_tokens', body, signal)
    return reply.input_tokens ?? null
  } catch (e) {
    if (e instanceof RequestFailed && (e.status === 404 || e.status === 405 || e.status === 501)) return null
    throw e
  }
}

export const getCrops = (image: string, pan_scan: string, model: string | undefined, signal?: AbortSignal): Promise<Crops> =>
  json<Crops>('carat/crops', { model, image, pan_scan }, signal)

export const weigh = async (query: object, signal?: AbortSignal): Promise<Estimate[]> =>
  (await json<{ grid?: Estimate[] }>('carat/weigh', query, signal)).grid ?? []
