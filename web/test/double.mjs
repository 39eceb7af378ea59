// A test double of the server: the routes that the page uses, with answers that follow a script, so that a test knows what
// comes and when. It checks nothing that the real server would; test/real.test.mjs is for that.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

const web = fileURLToPath(new URL('..', import.meta.url))
const TYPES = { html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', txt: 'text/plain' }

/** The policy that page.h gives the server. */
async function policy() {
  const header = await readFile(`${web}/page.h`, 'utf8')
  const lines = /#define CT_PAGE_POLICY([\s\S]*?)\n\n/.exec(header)[1]
  return [...lines.matchAll(/"([^"]*)"/g)].map((m) => m[1]).join('')
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const words = (text) => text.match(/\s*\S+|\s+$/g) ?? []
const textOf = (content) => (typeof content === 'string' ? content : (content ?? []).map((p) => p.text ?? '').join(''))
const tokensOf = (messages) => messages.reduce((n, m) => n + 4 + words(textOf(m.content)).length, 0)

export class Double {
  requests = [] // bodies of /v1/chat/completions
  paths = [] // of every request
  cancelled = 0 // answers whose client left
  key = null // an API key that is wanted
  upstream = null // a real server, to which everything but the page's files is passed on
  pause = 4 // ms between pieces
  contextSize = 8192
  capabilities = ['completion', 'vision', 'tools']
  models = ['gemma-3-4b-it-q4_0']
  /** What comes to a request: {text, calls, finish} or {status, error, retryAfter}; the tests' own. */
  answer = () => ({ text: 'Good day.' })

  async start(port = 0) {
    this.policy = await policy()
    this.server = createServer((req, res) => this.#handle(req, res).catch((e) => res.destroy(e)))
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.server.address().port}/some/prefix/`
    return this
  }

  stop() {
    this.server.closeAllConnections()
    return new Promise((resolve) => this.server.close(resolve))
  }

  async #handle(req, res) {
    const path = new URL(req.url, this.url).pathname.replace(/^\/some\/prefix\//, '')
    this.paths.push(path)
    const file = path === '' ? 'index.html' : path
    if (req.method === 'GET' && /^[\w-]+\.(html|css|js|svg|txt)$/.test(file)) return this.#file(file, res)
    if (this.key && req.headers.authorization !== `Bearer ${this.key}`) {
      return this.#json(res, 401, { error: { message: 'this server wants an API key', type: 'authentication_error' } })
    }
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    if (this.upstream) return this.#pass(req, res, path, Buffer.concat(chunks))
    const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {}
    const route = this.#routes[path]
    return route ? route(body, res) : this.#json(res, 404, { error: { message: `no route ${path}` } })
  }

  async #pass(req, res, path, body) {
    const query = new URL(req.url, this.url).search
    const aborter = new AbortController()
    res.on('close', () => aborter.abort())
    const reply = await fetch(`${this.upstream}/${path}${query}`, { method: req.method, headers: { 'content-type': 'application/json' }, body: body.length ? body : undefined, signal: aborter.signal })
    res.writeHead(reply.status, Object.fromEntries(reply.headers))
    for await (const piece of reply.body ?? []) res.write(piece)
    res.end()
  }

  async #file(name, res) {
    const bytes = await readFile(`${web}/dist/${name}`)
    res.writeHead(200, {
      'content-type': TYPES[name.split('.').pop()],
      'content-security-policy': this.policy,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    })
    res.end(bytes)
  }

  #json(res, status, body, headers = {}) {
    res.writeHead(status, { 'content-type': 'application/json', ...headers })
    res.end(JSON.stringify(body))
  }

  #routes = {
    'v1/models': (_, res) =>
      this.#json(res, 200, {
        object: 'list',
        data: this.models.map((id) => ({
          id,
          object: 'model',
          created: 1,
          owned_by: 'carat',
          capabilities: this.capabilities,
          meta: { n_ctx: this.contextSize, n_ctx_train: 131072 },
        })),
      }),
    props: (_, res) =>
      this.#json(res, 200, {
        default_generation_settings: {
          n_ctx: this.contextSize,
          params: { temperature: 1, top_p: 0.95, top_k: 64, min_p: 0, repeat_penalty: 1, presence_penalty: 0, frequency_penalty: 0 },
        },
        modalities: { vision: this.capabilities.includes('vision') },
        build_info: 'carat 0.2.0',
      }),
    tokenize: (body, res) => this.#json(res, 200, { tokens: words(body.content ?? '').map((_, i) => i) }),
    'v1/chat/completions/input_tokens': (body, res) => this.#json(res, 200, { input_tokens: tokensOf(body.messages) }),
    'v1/chat/completions': (body, res) => this.#chat(body, res),
    'carat/crops': (body, res) => this.#json(res, 200, cropsOf(body)),
    'carat/weigh': (body, res) => this.#weigh(body, res),
  }

  async #chat(body, res) {
    this.requests.push(body)
    const said = this.answer(body, this.requests.length)
    if (said.status) {
      return this.#json(res, said.status, { error: said.error ?? {} }, said.retryAfter ? { 'retry-after': said.retryAfter } : {})
    }
    res.writeHead(200, { 'content-type': 'text/event-stream', ...said.headers })
    let isGone = false
    res.on('close', () => {
      if (!res.writableFinished) this.cancelled++
      isGone = true
    })
    const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model }
    const send = (choice) => res.write(`data: ${JSON.stringify({ ...base, choices: [{ index: 0, finish_reason: null, ...choice }], usage: null })}\n\n`)
    const began = Date.now()
    send({ delta: { role: 'assistant', content: '' } })
    await sleep(said.before ?? this.pause)
    const pieces = words(said.text ?? '')
    for (const piece of pieces) {
      if (isGone) return
      send({ delta: { content: piece } })
      await sleep(said.pause ?? this.pause)
    }
    for (const [index, call] of (said.calls ?? []).entries()) {
      send({ delta: { tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name: call.name, arguments: '' } }] } })
      for (const piece of call.arguments.match(/.{1,7}/gs) ?? []) {
        send({ delta: { tool_calls: [{ index, function: { arguments: piece } }] } })
        await sleep(this.pause)
      }
    }
    await said.hold // a test's promise: what comes here waits for it
    if (said.breaks) return res.destroy()
    if (said.fails) {
      res.write(`data: ${JSON.stringify({ error: said.fails })}\n\n`)
      return res.end()
    }
    send({ delta: {}, finish_reason: said.finish ?? (said.calls ? 'tool_calls' : 'stop') })
    const n = pieces.length || 12
    const seconds = (Date.now() - began) / 1000
    const prompt = said.promptTokens ?? tokensOf(body.messages)
    const usage = { prompt_tokens: prompt, completion_tokens: n, total_tokens: prompt + n, prompt_tokens_details: { cached_tokens: Math.floor(prompt / 2) } }
    const timings = { prompt_n: prompt, prompt_per_second: 812.4, predicted_n: n, predicted_per_second: n / seconds }
    res.write(`data: ${JSON.stringify({ ...base, choices: [], usage, timings })}\n\ndata: [DONE]\n\n`)
    res.end()
  }

  #weigh(body, res) {
    const carat = process.env.CARAT ?? `${web}/../build/carat`
    const args = ['weigh', body.model, '--json', '--parallel', String(body.parallel ?? 1), '--images', String(body.images ?? 1), '--kv', body.kv ?? 'f16']
    return new Promise((resolve) =>
      execFile(carat, args, { maxBuffer: 1 << 24 }, (e, out, err) => {
        if (e) this.#json(res, 400, { error: { message: err.trim() } })
        else this.#json(res, 200, JSON.parse(out))
        resolve()
      }),
    )
  }
}

/** Width and height of a PNG's header. */
function sizeOf(url) {
  const bytes = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
  return bytes.readUInt32BE(0) === 0x89504e47 ? [bytes.readUInt32BE(16), bytes.readUInt32BE(20)] : [800, 600]
}

/** Long pictures in two to four crops along their longer side: about as the reference does it. */
function cropsOf({ image, pan_scan }) {
  const [width, height] = sizeOf(image)
  const views = [{ x: 0, y: 0, width, height }]
  const ratio = Math.max(width, height) / Math.min(width, height)
  const n = Math.min(4, Math.floor(ratio + 0.5))
  if (pan_scan !== 'off' && ratio >= 1.2 && n >= 2) {
    for (let i = 0; i < n; i++) {
      const [a, b] = [Math.round((i * Math.max(width, height)) / n), Math.round(((i + 1) * Math.max(width, height)) / n)]
      views.push(width > height ? { x: a, y: 0, width: b - a, height } : { x: 0, y: a, width, height: b - a })
    }
  }
  return { views, tokens_per_view: 256 }
}
