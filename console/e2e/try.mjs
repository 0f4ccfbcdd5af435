import { chromium } from "playwright-core";

const [, , out, ...paths] = process.argv;
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
for (const [i, p] of paths.entries()) {
  const [path, lang = "en", theme = "light", width = "1440"] = p.split("@");
  const c = await browser.newContext({ viewport: { width: Number(width), height: 900 } });
  await c.addInitScript(
    ([l, t]) => {
      localStorage.setItem("bubi.language", l);
      localStorage.setItem("bubi.theme", t);
    },
    [lang, theme],
  );
  const page = await c.newPage();
  page.on("console", (m) => {
    if (m.type() === "error") console.log(path, m.text().slice(0, 300));
  });
  page.on("pageerror", (e) => console.log(path, e.message));
  await page.goto(process.env.G + path);
  await page.waitForTimeout(2500);
  await page.screenshot({ path: `${out}/${i}.png`, fullPage: true });
  await c.close();
}
await browser.close();
