// Makes the children of one node those of another, touching only what differs: selections, scroll positions and focus in
// the rest stay.

export function morph(live: Node, wanted: Node): void {
  const now = [...live.childNodes]
  const next = [...wanted.childNodes]
  next.forEach((node, i) => {
    const old = now[i]
    if (!old) live.appendChild(node)
    else if (!old.isEqualNode(node)) {
      if (canBecome(old, node)) become(old, node)
      else live.replaceChild(node, old)
    }
  })
  for (const node of now.slice(next.length)) live.removeChild(node)
}

function canBecome(old: Node, node: Node): boolean {
  return old.nodeType === node.nodeType && old.nodeName === node.nodeName
}

function become(old: Node, node: Node): void {
  if (!(old instanceof Element) || !(node instanceof Element)) {
    if (old.nodeValue !== node.nodeValue) old.nodeValue = node.nodeValue
    return
  }
  for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name)
  for (const { name, value } of [...node.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  morph(old, node)
}
