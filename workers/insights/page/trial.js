// The box for a text of the reader's own: sent to this server, which passes it on. What comes back is text, never markup.
import { element, number } from "/charts.js";
import { showRecord } from "/record.js";

const STRENGTHS = 3, TOLD = 6;
const at = (id) => document.getElementById(id);

// The box is there while the server has somebody to ask.
export function offerTrial(characters) {
  at("trial").hidden = characters === 0;
  at("trial-text").maxLength = Math.max(1, characters);
}

async function tryText(event) {
  event.preventDefault();
  const button = event.target.querySelector("button"), note = at("trial-note");
  button.disabled = true;
  note.textContent = "Reading, once for each part of the text. A long text takes some seconds.";
  try {
    const answer = await fetch("/api/trial", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text: at("trial-text").value }) });
    if (!answer.ok) throw new Error(await answer.text());
    const record = await answer.json();
    at("trial-body").replaceChildren(...showExplanation(record.explanation), ...showRecord(record));
    note.textContent = "Read.";
  } catch (error) {
    at("trial-body").replaceChildren();
    note.textContent = `Not read: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

// Tint and underline say the direction, and the two lists below say it in words, strongest first.
function showExplanation(explanation) {
  const title = element("h3", {}, "Why this label");
  if (!explanation) return [title, element("p", { class: "note" }, "There is no label to explain, or the text is a single word.")];
  const parts = explanation.pieces.filter((piece) => piece.weight !== null);
  const most = Math.max(...parts.map((part) => Math.abs(part.weight)), 1e-9);
  const text = explanation.pieces.map(({ text, weight }) => {
    const strength = weight === null ? 0 : Math.ceil((STRENGTHS * Math.abs(weight)) / most - 0.5);
    return strength ? element("span", { class: `${weight > 0 ? "w-for" : "w-against"} s${strength}`, title: signed(weight) }, text) : document.createTextNode(text);
  });
  const unit = explanation.words_in_part === 1 ? "word" : `group of ${explanation.words_in_part} words`;
  const told = (sign) => parts.filter((part) => part.weight * sign > 0).sort((one, other) => sign * (other.weight - one.weight)).slice(0, TOLD).map((part) => `${part.text} ${signed(part.weight)}`);
  return [title,
    element("p", {}, `${explanation.label}, ${explanation.score.toFixed(2)}. Each ${unit} was left out in turn; its number is how far the label's log-odds fell.`),
    element("div", { class: "text", dir: "auto", tabindex: "0", role: "region", "aria-label": `The text; what speaks for ${explanation.label} is underlined, what speaks against it dotted` }, ...text),
    listed(`For ${explanation.label}`, told(1)), listed(`Against ${explanation.label}`, told(-1))];
}

function listed(name, items) {
  return element("p", { class: "told" }, element("strong", {}, `${name}: `), items.join("; ") || "nothing");
}

function signed(weight) {
  return `${weight > 0 ? "+" : "−"}${number(Math.abs(weight), 2)}`;
}

at("trial-form").addEventListener("submit", tryText);
