"""How the report looks, by day and by night."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --faint: #6b7480; --line: #d5dae0; --card: #f4f6f8;
  --bar: #2b6ca8; --mark: #c2500a; --note: #fff3d6;
  --layer0: #b9d7f0; --layer1: #f6d5b0; --layer2: #c4e3cb; --layer3: #e3cfe8; --layer4: #eee6a4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e6eaef; --faint: #98a2ae; --line: #38414b; --card: #1e242b;
    --bar: #5aa5e0; --mark: #ffa14d; --note: #3d3113;
    --layer0: #25517a; --layer1: #74481a; --layer2: #2b5f3a; --layer3: #5f3f6a; --layer4: #5f5718;
  }
}
body { margin: 0; background: var(--paper); color: var(--ink); }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.25rem 0 .25rem; }
p { margin: 0 0 1rem; max-width: 52rem; }
.note { background: var(--note); border-left: 4px solid var(--mark); padding: .6rem .9rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 0; }
dl div { background: var(--card); border-radius: 6px; padding: .7rem .9rem; }
dt, dd { margin: 0; font-size: .85rem; line-height: 1.35; }
dd:first-of-type { font-size: 1.45rem; font-weight: 650; line-height: 1.45; white-space: nowrap; }
dt, dd:last-of-type, figcaption { color: var(--faint); }
figure { margin: 0; }
figcaption { font-size: .9rem; max-width: 62rem; margin-bottom: .75rem; }
figcaption span { display: inline-block; vertical-align: -.1em; }
.bar { width: 1.6em; height: .8em; background: var(--bar); }
.mark { width: .2em; height: 1em; margin: 0 .3em; background: var(--mark); }
.wide { overflow-x: auto; }
.chart { display: block; width: 100%; min-width: 900px; height: auto; font-family: inherit; }
.chart * { stroke-linejoin: round; stroke-linecap: butt; }
table { border-collapse: collapse; width: 100%; font-size: .82rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; white-space: normal; }
.words { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
tbody tr:nth-child(even) { background: var(--card); }
tfoot td { font-weight: 650; border-top: 2px solid var(--faint); }
@media print { .wide { overflow: visible; } section { break-inside: avoid-page; } }
"""
