"""The page of a run's report: a template that escapes whatever it is given, and what it adds to the style sheets."""

CSS = """
svg .second { stroke: var(--below); } svg .dot.second { fill: var(--below); stroke: none; }
.choices { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.4rem; margin: 0; font-size: .92rem; }
.choices dd { font-weight: 400; }
.trios { grid-template-columns: repeat(2, minmax(0, 1fr)); }
@media (max-width: 40rem) { .trios { grid-template-columns: 1fr; } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}: training</title>
<style>{{ css }}</style>
</head>
<body>
<header><p class="kicker">Training of</p><h1>{{ title }}</h1>
<div class="big">{% for value, name in headline %}<div><b>{{ value }}</b><span>{{ name }}</span></div>{% endfor %}</div>
<div class="facts"><dl>{% for name, value in facts %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
</div></header>
<p class="hint">{{ hint }}</p>
<main>
<div class="charts">
{% for chart in curves %}
<article class="card"><h2>{{ chart.title }}</h2><p>{{ chart.note }}</p>{{ chart.svg }}</article>
{% endfor %}{{ figures }}</div>
{% if choices %}<article class="card"><header><h2>Settings, and why</h2><span class="where">all of them are in
recipe.toml, from which the run can be repeated</span></header><dl class="choices">
{% for name, value in choices %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></article>
{% endif %}{{ table }}
{% for class in classes %}<article class="card"><header><h2>{{ class.name }}</h2><span class="where">{{ class.legend }}
</span></header><div class="trios">
{% for kind in class.kinds %}<section><h3>{{ kind.title }}</h3><div class="pair">
{% for one in kind.shown %}<figure><img src="{{ one.source }}" alt="{{ class.name }} in {{ one.path }}" \
title="{{ one.path }}"><figcaption>{% if one.verdict %}<span class="{{ one.verdict }}">{{ one.verdict }}</span> at \
{% endif %}{{ one.probability }} <span class="note">{{ one.name }}</span></figcaption></figure>
{% endfor %}</div></section>
{% endfor %}</div></article>
{% endfor %}</main>
<footer>{{ footer }}<br>Made by pylon_zoo {{ version }}.</footer>
</body>
</html>
"""
