// Answers that the test double gives: Markdown of every kind, and what hostile texts try.

export const TABLE = `For **16 GB** the 12B in Q4_0 is the largest that leaves room for other programs; the 4B is quicker.

| Model | Weights in Q4_0 | With 8k of context | Suits |
| --- | ---: | ---: | --- |
| 1B | 0.7 GiB | 0.9 GiB | short texts, quick answers |
| 4B | 2.2 GiB | 4.1 GiB | pictures, everyday questions |
| 12B | 6.4 GiB | 8.9 GiB | longer reasoning |
| 27B | 14.5 GiB | 18.2 GiB | needs 24 GB |

What decides:

1. Whether you need **pictures**: the 1B has no eyes.
2. How long your conversations are. Keys and values grow with the context:
   - local layers keep only their window,
   - global layers keep everything.
3. How patient you are.

> A smaller model in more bits is rarely better than a larger one in fewer.

Try it with \`carat weigh 12b --ram 16G\`, or see [the measurements](https://example.com/figures).`

export const CODE = `A ring buffer keeps the last *n* items: the position to write at goes round.

\`\`\`c
#include <stdbool.h>
#include <stddef.h>

typedef struct ring {
    int *items;      /* [capacity], of the caller */
    size_t capacity; /* a power of two */
    size_t first, n;
} ring;

/* False: it is full. */
bool ring_put(ring *r, int item)
{
    if (r->n == r->capacity)
        return false;
    r->items[(r->first + r->n++) & (r->capacity - 1)] = item;
    return true;
}

bool ring_take(ring *r, int *item)
{
    if (r->n == 0)
        return false;
    *item = r->items[r->first];
    r->first = (r->first + 1) & (r->capacity - 1);
    r->n--;
    return true;
}
\`\`\`

### Why a power of two

The remainder becomes a single \`&\`. With another capacity you need \`%\`, which costs a division.

### Use

\`\`\`python
r = Ring(capacity=8)
for i in range(12):
    r.put(i) or print(f"full at {i}")
\`\`\``

/** What must not run, load or lead anywhere: each is shown as text, or as nothing. */
export const XSS = [
  '<script>window.hit = 1</script>',
  '<img src=x onerror="window.hit = 2">',
  '<img src="http://elsewhere.test/pixel.png">',
  '![pixel](http://elsewhere.test/pixel.png)',
  '![data](data:text/html,<script>window.hit=3</script>)',
  '<svg onload="window.hit = 4"><script>window.hit = 5</script></svg>',
  '<svg><animate onbegin="window.hit = 6" attributeName=x dur=1s></svg>',
  '[link](javascript:window.hit=7)',
  '[link](JaVaScRiPt:window.hit=7)',
  '[link](java&#115;cript:window.hit=8)',
  '[link](\u0001javascript:window.hit=8)',
  '[link](data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGl0PTk8L3NjcmlwdD4=)',
  '[link](vbscript:msgbox)',
  '<a href="javascript:window.hit=10">a</a>',
  '<javascript:window.hit=11>',
  '<iframe src="javascript:window.hit=12"></iframe>',
  '<iframe srcdoc="<script>parent.hit=13</script>"></iframe>',
  '<object data="data:text/html,<script>parent.hit=14</script>"></object>',
  '<embed src="http://elsewhere.test/e">',
  '<form action="http://elsewhere.test/"><button>go</button></form>',
  '<style>@import "http://elsewhere.test/s.css"; * { display: none }</style>',
  '<link rel=stylesheet href="http://elsewhere.test/s.css">',
  '<meta http-equiv=refresh content="0;url=http://elsewhere.test/">',
  '<base href="http://elsewhere.test/">',
  '<details open ontoggle="window.hit = 15">d</details>',
  '<input autofocus onfocus="window.hit = 16">',
  '<b onmouseover="window.hit = 17">b</b>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hit=18&gt;">',
  '```html" onmouseover="window.hit=19\n<script>window.hit = 20</script>\n```',
  '```"><img src=x onerror=window.hit=21>\nx\n```',
  '| <img src=x onerror=window.hit=22> | b |\n| --- | --- |\n| <script>window.hit=23</script> | [l](javascript:window.hit=24) |',
  '# <img src=x onerror=window.hit=25>',
  '[a](http://x.test/"onmouseover="window.hit=26)',
  '[a](<http://x.test/ "onclick=window.hit=27>)',
  '[ref]\n\n[ref]: javascript:window.hit=28 "t"',
  '<https://x.test/"onmouseover=window.hit=29>',
  '<div style="position:fixed;inset:0;background:url(http://elsewhere.test/b.png)">cover</div>',
  '<button data-copy="code" onclick="window.hit=30">Copy</button>',
  '&lt;script&gt;window.hit=31&lt;/script&gt;',
]
