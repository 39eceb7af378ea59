// A model's Markdown -> safe nodes. Three walls: HTML in the text is shown as text, the renderer writes only what is
// listed here, and DOMPurify lets nothing else through. Nothing is ever loaded: pictures become links.
import DOMPurify from 'dompurify'
import { Marked, type Token, type Tokens } from 'marked'
import { highlight, languageName } from './highlight.ts'

const escape = (text: string): string => text.replace(/[&<>"']/g, (ch) => `&#${ch.charCodeAt(0)};`)

/** Tags without attributes that models write for their looks. */
const PLAIN_TAG = /^<(\/?)(br|sub|sup|kbd|u|b|i|em|strong|mark)\s*\/?>$/i

const isSafeLink = (href: string): boolean => /^(https?:\/\/|mailto:)/i.test(href)

function link(href: string, inner: string): string {
  if (!isSafeLink(href)) return inner
  return `<a href="${escape(href)}" target="_blank" rel="noopener noreferrer nofollow">${inner}</a>`
}

export function codeBlock(code: string, language: string): string {
  const name = language ? languageName(language) : 'Text'
  return (
    `<div class="code"><div class="code-head"><span>${escape(name)}</span>` +
    `<button type="button" class="quiet" data-copy="code">Copy</button></div>` +
    `<pre tabindex="0" role="region" aria-label="${escape(`Code, ${name}`)}"><code>${highlight(code, language)}</code></pre></div>`
  )
}

const md = new Marked({ gfm: true, breaks: false })
md.use({
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => {
      const isAlone = PLAIN_TAG.exec(text.trim())
      return isAlone ? `<${isAlone[1]}${isAlone[2]!.toLowerCase()}>` : escape(text)
    },
    code: ({ text, lang }: Tokens.Code) => codeBlock(text, (lang ?? '').trim().split(/[\s{,]/)[0]!.toLowerCase()),
    heading({ tokens, depth }: Tokens.Heading) {
      // The page's own headings are h1 and h2.
      return `<h${Math.min(6, depth + 2)} class="h${depth}">${this.parser.parseInline(tokens)}</h${Math.min(6, depth + 2)}>`
    },
    link({ href, tokens }: Tokens.Link) {
      return link(href, this.parser.parseInline(tokens))
    },
    image: ({ href, text }: Tokens.Image) =>
      isSafeLink(href) ? link(href, `picture: ${escape(text || href)}`) : `[picture: ${escape(text || 'without a name')}]`,
    table(token: Tokens.Table) {
      const cell = (c: Tokens.TableCell, tag: string) =>
        `<${tag}${c.align ? ` class="to-${c.align}"` : ''}>${this.parser.parseInline(c.tokens)}</${tag}>`
      const row = (cells: Tokens.TableCell[], tag: string) => `<tr>${cells.map((c) => cell(c, tag)).join('')}</tr>`
      return (
        `<div class="table" tabindex="0" role="region" aria-label="Table"><table><thead>${row(token.header, 'th')}</thead>` +
        `<tbody>${token.rows.map((r) => row(r, 'td')).join('')}</tbody></table></div>`
      )
    },
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? '☑ ' : '☐ '),
  },
})

/** The blocks of a text, each with its Markdown. */
export const blocksOf = (text: string): Token[] => md.lexer(text).filter((t) => t.type !== 'space' && t.type !== 'def')

const WORDS = ['target', 'rel', 'start', 'type', 'tabindex', 'aria-label', 'data-copy']
const ALLOWED = {
  ALLOWED_TAGS: [
    'a', 'b', 'blockquote', 'br', 'button', 'code', 'del', 'div', 'em', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'kbd', 'li', 'mark', 'ol', 'p',
    'pre', 'span', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'u', 'ul',
  ],
  ALLOWED_ATTR: ['href', 'class', 'role', ...WORDS],
  ADD_URI_SAFE_ATTR: WORDS, // all others are held to the addresses below
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
}

export const sanitise = (html: string): DocumentFragment =>
  DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true }) as DocumentFragment

export const render = (block: Token): DocumentFragment => sanitise(md.parser([block]))
