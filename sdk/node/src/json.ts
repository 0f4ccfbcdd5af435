/** A JSON reader that refuses what `JSON.parse` lets pass: repeated members and inexact numbers. */
import { malformedJson } from "./errors.js";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const DEPTH_MAX = 64;
const TOKEN = /[ \t\n\r]*(?:([[\]{},:])|("(?:[^"\\\u0000-\u001f]|\\.)*")|([-+.\w]+))/sy;
const INTEGER = /^-?(?:0|[1-9]\d{0,15})$/;

/** Parses JSON. Numbers must be integers that a double holds exactly. */
export function parseJson(text: string): Json {
  const parser = new Parser(text);
  const value = parser.value(parser.next(), 0);
  parser.end();
  return value;
}

class Parser {
  private position = 0;

  constructor(private readonly text: string) {}

  next(): string {
    TOKEN.lastIndex = this.position;
    const found = TOKEN.exec(this.text);
    if (!found) throw malformedJson(`not JSON at character ${this.position}`);
    this.position = TOKEN.lastIndex;
    return found[1] ?? found[2] ?? found[3] ?? "";
  }

  end(): void {
    if (this.text.slice(this.position).trim() !== "") throw malformedJson("text after the value");
  }

  value(token: string, depth: number): Json {
    if (depth > DEPTH_MAX) throw malformedJson("nested too deep");
    if (token === "{") return this.members(depth);
    if (token === "[") return this.items(depth);
    if (token.startsWith('"')) return this.string(token);
    if (token === "null") return null;
    if (token === "true" || token === "false") return token === "true";
    if (INTEGER.test(token) && Number.isSafeInteger(Number(token))) return Number(token);
    throw malformedJson(`${token.slice(0, 20)} is not a value`);
  }

  private string(token: string): string {
    try {
      return JSON.parse(token) as string;
    } catch {
      throw malformedJson("a string with a wrong escape");
    }
  }

  private members(depth: number): Json {
    const found = new Map<string, Json>();
    let token = this.next();
    if (token === "}") return {};
    for (;;) {
      if (!token.startsWith('"')) throw malformedJson("a member needs a name");
      const name = this.string(token);
      if (found.has(name)) throw malformedJson("an object has the same member twice");
      if (this.next() !== ":") throw malformedJson("a member needs a value");
      found.set(name, this.value(this.next(), depth + 1));
      const after = this.next();
      if (after === "}") return Object.fromEntries(found);
      if (after !== ",") throw malformedJson("members are separated by commas");
      token = this.next();
    }
  }

  private items(depth: number): Json {
    const found: Json[] = [];
    let token = this.next();
    if (token === "]") return found;
    for (;;) {
      found.push(this.value(token, depth + 1));
      const after = this.next();
      if (after === "]") return found;
      if (after !== ",") throw malformedJson("items are separated by commas");
      token = this.next();
    }
  }
}
