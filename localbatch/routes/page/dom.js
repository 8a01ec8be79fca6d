// Elements made and kept up to date. Everything that comes from the service becomes text, never markup.

/** Makes an element; children are elements, or texts. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a property or attribute if it is another than before, so that nothing flickers. */
export function set(element, name, value) {
  if (name === "text") {
    if (element.textContent !== String(value)) element.textContent = value;
  } else if (name.startsWith("on")) {
    element.addEventListener(name.slice(2), value);
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : value);
  }
}

/** Makes the children of a container those of a list: kept by key, made anew, removed, and each brought up to date. */
export function sync(container, items, key, make, update) {
  const present = (container.kept ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [name, element] of present) {
    if (!wanted.has(name)) {
      element.remove();
      present.delete(name);
    }
  }
  let place = container.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let element = present.get(name);
    if (!element) present.set(name, (element = make(item)));
    if (element === place) place = place.nextElementSibling;
    else container.insertBefore(element, place);
    update(element, item);
  }
}

/** A list of facts; what is null is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
