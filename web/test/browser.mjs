// Chromium for the tests, and what they do again and again.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export async function launch() {
  const executablePath = CANDIDATES.find((path) => path && existsSync(path))
  if (!executablePath) throw new Error('no Chromium: apt-get install chromium, or set CHROMIUM')
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  })
}

/** A page of its own, whose every request and fault is seen. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  page.faults = []
  page.elsewhere = []
  page.on('pageerror', (e) => page.faults.push(String(e)))
  page.on('console', (m) => {
    // That a request was refused is what some tests are about; the browser reports each on its own.
    if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) page.faults.push(m.text())
  })
  page.on('request', (r) => {
    if (!r.url().startsWith(new URL(url).origin) && !/^(data|blob):/.test(r.url())) page.elsewhere.push(r.url())
  })
  await page.goto(url)
  await page.getByLabel('Message', { exact: true }).waitFor()
  return page
}

export const field = (page) => page.getByLabel('Message', { exact: true })

export async function say(page, text) {
  await field(page).fill(text)
  await field(page).press('Enter')
  await page.waitForFunction(() => document.getElementById('composer').value === '')
}

/** The answers on the page, oldest first. */
export const answers = (page) => page.locator('.from-model .prose')

/** Nothing is being written any more. */
export const settled = (page) =>
  page.waitForFunction(() => [...document.querySelectorAll('.message')].at(-1)?.matches('.from-model') && !document.querySelector('[aria-busy=true]'))

/** A PNG of a size, drawn in the browser. */
export async function png(page, width, height) {
  const url = await page.evaluate(
    ([w, h]) => {
      const canvas = document.createElement('canvas')
      canvas.width = w
      canvas.height = h
      const g = canvas.getContext('2d')
      const sky = g.createLinearGradient(0, 0, 0, h)
      sky.addColorStop(0, '#9fc3d8')
      sky.addColorStop(1, '#f2e3c6')
      g.fillStyle = sky
      g.fillRect(0, 0, w, h)
      g.fillStyle = '#4d6b57'
      for (let i = 0; i < 9; i++) {
        g.beginPath()
        g.moveTo((i - 1) * (w / 7), h)
        g.lineTo((i + 0.2) * (w / 7), h * (0.45 + 0.12 * Math.sin(i * 2)))
        g.lineTo((i + 1.6) * (w / 7), h)
        g.fill()
      }
      g.fillStyle = '#e8a33d'
      g.beginPath()
      g.arc(w * 0.75, h * 0.28, h * 0.1, 0, 7)
      g.fill()
      return canvas.toDataURL('image/png')
    },
    [width, height],
  )
  return Buffer.from(url.split(',')[1], 'base64')
}
