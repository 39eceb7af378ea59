// What a model writes, as it is shown: Markdown, code, streams; and what must neither run nor load.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answers, say, settled } from './browser.mjs'
import { browser, page, server } from './harness.mjs'
import { CODE, TABLE, XSS } from './texts.mjs'

const last = (locator) => locator.last()

test('Markdown is shown as such; code has a language and is copied', async () => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  server.answer = () => ({ text: TABLE })
  await say(page, 'Table')
  await settled(page)
  assert.equal(await page.locator('.prose th').count(), 4)
  assert.equal(await page.locator('.prose td.to-right').count(), 8)
  assert.equal(await page.locator('.prose ol > li').count(), 3)
  const link = page.locator('.prose a')
  assert.equal(await link.getAttribute('target'), '_blank')
  assert.match(await link.getAttribute('rel'), /noopener/)
  server.answer = () => ({ text: CODE })
  await say(page, 'Code')
  await page.locator('.code').nth(1).waitFor()
  await settled(page)
  assert.ok((await page.locator('.code .hljs-keyword').count()) > 5)
  await page.locator('.code').first().getByRole('button', { name: 'Copy' }).click()
  await page.locator('.code button', { hasText: 'Copied' }).waitFor()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  assert.match(copied, /^#include <stdbool\.h>\n/)
  assert.match(copied, /r->items\[\(r->first \+ r->n\+\+\)/)
})

test('a stream looks at its end as the whole text does, and what is complete is not rendered again', async () => {
  const text = `${TABLE}\n\n${CODE}\n\n- a\n- b\n\n  more of b\n\nEnd of it.\n\n---\n\nA [ref] too.\n\n[ref]: https://example.com/`
  server.answer = () => ({ text, pause: 3 })
  await say(page, 'Stream')
  await page.waitForFunction(() => document.querySelectorAll('.prose .block').length > 4)
  await page.evaluate(() => (document.querySelector('.prose .block').firstElementChild.marked = true))
  await settled(page)
  assert.ok(await page.evaluate(() => document.querySelector('.prose .block').firstElementChild.marked), 'the first block is the same node')
  const streamed = await last(answers(page)).innerHTML()
  await page.reload()
  await page.locator('.prose .block').first().waitFor()
  assert.equal(await last(answers(page)).innerHTML(), streamed)
})

test('nothing that a model writes runs, loads or leads elsewhere', async () => {
  const texts = [...XSS, XSS.join('\n\n')]
  server.answer = (_, n) => ({ text: texts[n - 1], pause: 0 })
  for (let i = 0; i < texts.length; i++) {
    await say(page, `${i}`)
    await page.waitForFunction((n) => [...document.querySelectorAll('.said-text')].at(-1)?.textContent === n, `${i}`)
    await settled(page)
  }
  await page.locator('.thread').evaluate((t) => (t.scrollTop = 0))
  await page.getByRole('button', { name: /earlier messages/ }).click()
  await page.waitForFunction((n) => document.querySelectorAll('.from-model').length === n, texts.length)
  await page.waitForTimeout(300)
  assert.equal(await page.evaluate(() => window.hit), undefined)
  const found = await page.evaluate(() => {
    const all = [...document.querySelectorAll('.prose *')]
    return {
      tags: [...new Set(all.map((e) => e.localName))].filter((t) => /^(script|img|svg|math|iframe|object|embed|form|style|link|meta|base|input|details|video|audio)$/.test(t)),
      handlers: all.flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith('on') || n === 'style' || n === 'src' || n === 'id'),
      hrefs: all.filter((e) => e.localName === 'a').map((e) => e.getAttribute('href')).filter((h) => !/^(https?:\/\/|mailto:)/.test(h)),
      unsafe: all.filter((e) => e.localName === 'a' && !/noopener/.test(e.rel)).length,
    }
  })
  assert.deepEqual(found, { tags: [], handlers: [], hrefs: [], unsafe: 0 })
  assert.ok((await page.locator('.prose').first().textContent()).includes('<script>'), 'it is shown as text')
  assert.ok(server.paths.every((p) => !/elsewhere/.test(p)))
})

test('what is said by users is text, too', async () => {
  await say(page, '<img src=x onerror="window.hit=1"> **not bold**')
  await settled(page)
  assert.equal(await page.locator('.said-text').innerText(), '<img src=x onerror="window.hit=1"> **not bold**')
  assert.equal(await page.evaluate(() => window.hit), undefined)
})

test('the browser refuses whatever the policy does not allow', async () => {
  const refused = await page.evaluate(async () => {
    const tries = {
      fetch: () => fetch('http://127.0.0.1:9/').then(() => 'went', () => 'refused'),
      picture: () => new Promise((r) => Object.assign(new Image(), { onload: () => r('went'), onerror: () => r('refused'), src: 'http://127.0.0.1:9/x.png' })),
      script: () => { try { return (document.createElement('script').src = 'data:text/javascript,1'), 'went' } catch { return 'refused' } },
      html: () => { try { return (document.createElement('div').innerHTML = '<b>x</b>'), 'went' } catch { return 'refused' } },
    }
    return Promise.all(Object.values(tries).map((t) => t()))
  })
  page.faults = [] // the browser reports what it refused
  page.elsewhere = []
  assert.deepEqual(refused, ['refused', 'refused', 'refused', 'refused'])
})
