#!/usr/bin/env python3
"""Writes test/runtime/tokenizer/testdata/chat_template_cases.json: what Python's jinja2 makes of chat templates.

Jinja2 is set up as the transformers library does (trim_blocks, lstrip_blocks, loop controls, its own tojson,
raise_exception and strftime_now). Three kinds of cases:
  snippets   small templates, one language feature each
  shipped    the templates in testdata/templates, which are written for this project, with every conversation
  external   templates of models below --external (not part of the project), by file name; only the SHA-256 of each
             result is stored, since the results quote the templates
Where jinja2 raises, the case says "error" and the interpreter has to fail as well.

Needs: pip install jinja2
"""
import argparse
import hashlib
import json
import pathlib
import time
import types

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTDATA = ROOT / "test/runtime/tokenizer/testdata"
NOW = 1753531200  # 2025-07-26 12:00 UTC


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        if isinstance(x, types.GeneratorType):
            x = list(x)  # filters that give generators in Jinja give lists in lamina
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: time.strftime(form, time.gmtime(NOW))
    return env


ENV = environment()


def render(source, variables):
    """-> (text, None) or (None, error)"""
    try:
        return ENV.from_string(source).render(**variables), None
    except Exception as error:  # whatever Python raises is "the template fails"
        return None, f"{type(error).__name__}: {error}"


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "City, e.g. \"Kraków\""},
                "days": {"type": "integer", "description": "How far ahead", "default": 1, "minimum": 0},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "Unit"},
                "tags": {"type": "array", "items": {"type": "string"}, "description": "Tags"},
                "where": {"type": "object", "description": "Point", "properties": {
                    "lat": {"type": "number", "description": "Latitude"}}, "required": ["lat"]},
            },
            "required": ["place"],
        },
    },
}
OLD_TOOL = {"name": "search", "description": "Searches the web.",
            "parameter_definitions": {"query": {"type": "str", "description": "What to look for", "required": True},
                                      "limit": {"type": "int", "description": "How many", "required": False}}}

USER = {"role": "user", "content": "  Hello, who are you?\n"}
ASSISTANT = {"role": "assistant", "content": "I am <b>a model</b> & \"friend\" 你好 😀."}
SYSTEM = {"role": "system", "content": "You are terse.  "}
MORE = {"role": "user", "content": "What is 2 + 2?"}
THINKING = {"role": "assistant", "content": "<think>\nhmm\n</think>\n\nFour."}


def call(arguments, content):
    return {"role": "assistant", "content": content,
            "tool_calls": [{"id": "abcdefghi", "type": "function",
                            "function": {"name": "get_weather", "arguments": arguments}}]}


def result(content):
    return {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": content}


CONVERSATIONS = {
    "user": [USER],
    "system": [SYSTEM, USER],
    "turns": [USER, ASSISTANT, MORE],
    "system-turns": [SYSTEM, USER, ASSISTANT, MORE, THINKING],
    "assistant-last": [USER, ASSISTANT],
    "tool-dict": [USER, call({"place": "Kraków", "days": 2}, ""), result("{\"temperature\": 21.5}"), ASSISTANT, MORE],
    "tool-string": [SYSTEM, USER, call("{\"place\": \"Oslo\"}", None), result("rain"), result("sun")],
    "bad-role": [{"role": "wizard", "content": "abracadabra"}],
    "out-of-order": [USER, USER],
    "empty": [],
}
SETTINGS = {
    "generate": {"add_generation_prompt": True},
    "no-generate": {"add_generation_prompt": False},
    "tools": {"add_generation_prompt": True, "tools": [WEATHER], "functions": json.dumps([WEATHER["function"]]),
              "datetime": "2025-07-26"},
    "old-tools": {"add_generation_prompt": True, "tools": [OLD_TOOL], "tools_in_user_message": False,
                  "date_string": "1 Jan 2025", "documents": [{"title": "A", "text": "b"}], "enable_citations": True,
                  "builtin_tools": ["code_interpreter", "brave_search"]},
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def conversations():
    for name, messages in CONVERSATIONS.items():
        for setting, extra in SETTINGS.items():
            yield f"{name}/{setting}", {"messages": messages, **TOKENS, **extra}


V = {"a": 1, "b": 2.5, "s": "Hello World", "u": "żółć 😀", "n": None, "t": True, "l": [3, 1, 2], "e": [],
     "d": {"x": 1, "y": "two", "items": "shadowed"}, "w": ["b", "A", "c", "a"],
     "m": [{"role": "user", "n": 1}, {"role": "tool", "n": 2, "k": {"z": 9}}, {"role": "user", "n": 3}]}

SNIPPETS = r"""
plain text
{{ a }} {{ b }} {{ s }} {{ n }} {{ t }} {{ l }} {{ d }} {{ u }}
{{ missing }}|{{ d.missing }}|{{ l[7] }}|{{ s.nothing }}
{{ missing.attribute }}
{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -3 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 123456789012345678.0 }} {{ 1_000 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }}
{{ 1 / 0 }}
{{ 'a' + 1 }}
{{ 'a' ~ 1 ~ none ~ [1, 'x'] }}
{{ 'ab' * 3 }} {{ [1] * 2 }} {{ [1] + [2] }} {{ (1, 2) + (3,) }}
{{ 'tab\there' }} {{ "quote\"s" }} {{ 'it\'s' }} {{ '\x41\u017c\U0001F600' }} {{ '\q' }} {{ "a" "b" 'c' }}
{{ [1, 2.0, 'a', "it's", 'say "x"', none, true, {'k': (1,)}, '\n\t\\', '\x07', 'ż'] }}
{{ a == 1 }} {{ a != 1 }} {{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ [1] == [1.0] }} {{ (1,) == [1] }} {{ missing == nothing }} {{ none == missing }}
{{ 1 < 'a' }}
{{ 1 in l }} {{ 9 not in l }} {{ 'World' in s }} {{ 'x' in d }} {{ 'two' in d }} {{ 'x' in missing }}
{{ 1 in 'abc' }}
{{ not a }} {{ a and s }} {{ e or 'empty' }} {{ a and e and s }} {{ not not t }} {{ not 1 == 2 }}
{{ 'yes' if a else 'no' }} {{ 'yes' if e else 'no' }} [{{ 'yes' if e }}] {{ 1 if e else 2 if n else 3 }}
{{ l[0] }} {{ l[-1] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ s[1:4] }} {{ s[::-1] }} {{ u[0] }} {{ u[-1] }} {{ u[1:3] }} {{ l[5:] }} {{ l[-10:2] }} {{ s[-3:] }} {{ l[2:0:-1] }}
{{ d['x'] }} {{ d.y }} {{ d['items'] }} {{ d.get('x') }} {{ d.get('q') }} {{ d.get('q', 5) }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.items() | list }} {{ d | items | list }} {{ d | list }}
{{ d.items is callable }} {{ d.x is callable }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }},{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.length }}{% else %}none{% endfor %}{% for x in e %}{{ x }}{% else %}none{% endfor %}
{% for x in 'ab' %}{% for y in l %}{{ x }}{{ y }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in missing %}{{ x }}{% else %}nothing{% endfor %}
{% for x in d %}{{ x }}{% endfor %}{% for a, b in [(1, 2), [3, 4]] %}{{ a + b }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for x in l %}{{ loop.cycle('odd', 'even') }}{% endfor %}
{% set x = 5 %}{{ x }}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(x=1, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}[{{ ns.z }}]
{% set ns = 3 %}{% set ns.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = (a, b) %}{{ c }}
{% if a %}{% set inner = 1 %}{% endif %}{{ inner }}
{% set x %}  block {{ a }} {% endset %}[{{ x }}]{% set y | upper | trim %} abc {% endset %}[{{ y }}]
{% with p = 1, q = 2 %}{{ p + q }}{% endwith %}[{{ p }}]
{% filter upper %}shout {{ s }}{% endfilter %}
{% macro f(x, y=2) %}<{{ x }}{{ y }}>{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(y=5, x=4) }}{{ f() }}
{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro f() %}{{ late }}{% endmacro %}{% set late = 'seen' %}{{ f() }}
{% macro f(x) %}{% endmacro %}{{ f(1, 2) }}
{% macro f(x) %}{% set y = x %}{{ y }}{% endmacro %}{{ f(1) }}[{{ y }}]
{% if a == 2 %}two{% elif a == 1 %}one{% else %}other{% endif %}{% if n %}x{% elif e %}y{% else %}z{% endif %}
  {% if true %}  
    indented
  {% endif %}
{%- if true -%}   stripped   {%- endif -%}   
  {%+ if true %}kept{% endif +%}
{# comment #}
a {#- trimmed -#} b {# not #} c
{{- 'x' -}}   y   {{- 'z' }}   
{% raw %}{{ not parsed }}{% if %}{% endraw %} after
{%- raw -%}  {{ x }}  {%- endraw -%}  after
{{ '{{' }} {{ '%}' }} {{ {'a': {'b': 1}} }} {{ {} }} {{ [] }} {{ () }} {{ (1,) }} {{ (1) }}
{{ s | upper }} {{ s | lower }} {{ s | length }} {{ u | length }} {{ l | count }} {{ d | length }} {{ missing | length }} {{ 'hELLO wORLD' | capitalize }} {{ 'hello-world (foo) bar' | title }}
{{ 5 | length }}
[{{ '  x ' | trim }}] [{{ 'xxaxx' | trim('x') }}] [{{ none | trim }}] [{{ missing | trim }}] [{{ ' a ' | trim | length }}]
{{ missing | default('d') }} {{ n | default('d') }} {{ n | default('d', true) }} {{ '' | d('e', boolean=true) }} {{ missing | default }}
{{ l | join }} {{ l | join(', ') }} {{ m | join('-', attribute='role') }} {{ 'abc' | join('.') }} {{ [1, none, true] | join('|') }}
{{ s | replace('o', '0') }} {{ s | replace('o', '0', 1) }} {{ 123 | replace(2, 'x') }}
{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ ' 4 ' | int }} {{ '3.7' | int }} {{ true | int }} {{ '2.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ 5 | string + 'x' }}
{{ l | first }} {{ l | last }} {{ e | first }} {{ 'abc' | first }} {{ 'abc' | last }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ l | sort }} {{ l | sort(reverse=true) }} {{ w | sort }} {{ w | sort(case_sensitive=true) }} {{ m | sort(attribute='n', reverse=true) | map(attribute='n') | list }}
{{ ['a', 'A', 'b', 'a'] | unique | list }} {{ l | min }} {{ l | max }} {{ l | sum }} {{ m | sum(attribute='n') }} {{ w | min }} {{ e | max }}
{{ [1, 'a'] | sort }}
{{ m | map(attribute='role') | list }} {{ m | map(attribute='k') | list | length }} {{ [{'k': {'z': [7]}}] | map(attribute='k.z.0') | list }} {{ m | map(attribute='q', default=0) | list }} {{ w | map('upper') | list }} {{ [' a '] | map('trim') | list }} {{ ['a'] | map('replace', 'a', 'b') | list }}
{{ l | select('gt', 1) | list }} {{ l | reject('odd') | list }} {{ [0, 1, ''] | select | list }} {{ m | selectattr('role', 'equalto', 'user') | list | length }} {{ m | rejectattr('k') | list | length }} {{ m | selectattr('k', 'defined') | map(attribute='n') | list }} {{ none | selectattr('x') | list }}
{{ d | tojson }} {{ m | tojson }} {{ 'ż"\n</x>' | tojson }} {{ 'ż😀' | tojson(ensure_ascii=true) }} {{ none | tojson }} {{ 1.0 | tojson }} {{ 1e100 | tojson }} {{ (1, 2) | tojson }}
{{ m | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ {'b': 1, 'a': [2, {}]} | tojson(indent=1, sort_keys=true) }} {{ l | tojson(separators=(',', ':')) }}
{{ missing | tojson }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb\n' | indent(width='> ', first=True) }}|
{{ 'a<b' | safe }} {{ '<i>' | safe + '<b>' }} {{ '<b>' + '<i>' | safe }} {{ '<&>"\'' | e }} {{ ('<' | safe) ~ '<' }} {{ ('<' | safe + '&' | safe) }}
{{ d | dictsort }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'a': 2} | dictsort(by='value', reverse=true) }}
{{ -5 | abs }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }} {{ 7 | round }}
{{ a is defined }} {{ q is defined }} {{ q is not defined }} {{ q is undefined }} {{ n is none }} {{ a is not none }} {{ s is string }} {{ d is mapping }} {{ l is iterable }} {{ s is iterable }} {{ a is iterable }} {{ l is sequence }} {{ d is sequence }} {{ a is number }} {{ t is number }} {{ t is boolean }} {{ a is integer }} {{ t is integer }} {{ b is float }} {{ t is true }} {{ a is true }} {{ t is false }} {{ q is iterable }}
{{ 4 is even }} {{ 4 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'a' is in ['a'] }} {{ 1 is eq 1 }} {{ 1 is ne 1 }} {{ 2 is gt 1 }} {{ 2 is lessthan 1 }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ '1' is lower }}
{{ 'abc' is 'x' }}
{{ ' a b '.strip() }}|{{ 'xax'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a,b,c'.split(',', 1) }}|{{ 'a,b,c'.rsplit(',', 1) }}|{{ ' a b c '.split(none, 1) }}|{{ ' a b  c '.rsplit(none, 1) }}|{{ 'a\nb\r\nc'.splitlines() }}
{{ s.upper() }} {{ s.lower() }} {{ 'aBC'.capitalize() }} {{ s.startswith('Hell') }} {{ s.endswith(('x', 'ld')) }} {{ s.startswith('x') }} {{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ s.find('o') }} {{ s.rfind('o') }} {{ u.find('😀') }} {{ s.find('q') }} {{ s.count('l') }} {{ ', '.join(['a', 'b']) }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '12'.isdigit() }} {{ ' '.isspace() }}
{{ l.index(1) }} {{ l.count(1) }} {{ l.index(9) }}
{{ l.append(4) }}
{{ d.update({'z': 1}) }}
{{ '</think>' in s }} {{ 'a</think>b'.split('</think>')[-1] }}
{{ range(4) | list }} {{ range(1, 8, 3) | list }} {{ range(3, 0, -1) | list }} {{ dict(a=1, b='x') }} {{ range(0) | list }}
{{ raise_exception('no') }}
{{ strftime_now('%d %b %Y') }} {{ strftime_now is defined }}
{{ nothing() }}
{{ a() }}
{{ a.b }} {{ n.x }} {{ a['x'] }}
{% set tools = tools if tools is defined else none %}{{ tools is none }}
{{ (s | upper).lower() }} {{ s | upper | lower | length }} {{ -a | abs }} {{ (1, 2)[0] }} {{ [1, 2][1] }} {{ 'abc'[1] }} {{ m[0].role }} {{ m.0.role }} {{ m[1]['k']['z'] }}
{{ a if a is defined and a > 0 else 'none' }} {{ a is defined and b is defined }} {{ not a is defined }} {{ a is defined or q }}
{{ 1 -}} a {{- 2 }}{{ 3 }} {% if 1 -%} x {%- endif %} y
""".strip("\n").split("\n")

MULTILINE = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if true %}\n  b\n  {%- endif %}\nc\n\n",
    "  {{ 'x' }}\n  {% set y = 1 %}  \n{{ y }}\n",
    "{% for i in [1, 2] %}\n  {{ i }}\n{% endfor %}\nend",
    "x {# c #}\n  {# d #}\ny",
    "{%- for i in [1, 2] -%}\n  {{- i -}}\n{%- endfor -%}\n end",
    "one\r\ntwo\r\n{% if true %}\r\nthree{% endif %}\r\n",
    "{% if true %}  {% if true %}\n x{% endif %}{% endif %}",
    "{{ 'a' -}}\n   {% if true %}b{% endif %}",
    "  {% raw %}\n {{ x }}\n  {% endraw %}\nz",
    "{{ 'multi\nline' }}{% set s = 'a\n b' %}{{ s }}",
    "{% macro f() -%}\n  text\n{%- endmacro %}\n[{{ f() }}]\n\n{%- set x = f() %}{{ x }}",
    "\n\n  leading",
    "trailing\n\n",
    "\u00a0{%- if true %} nbsp{% endif %}\u2003{%- set x = 1 %}",
]


def snippet_cases():
    for source in SNIPPETS + MULTILINE:
        text, error = render(source, V)
        yield {"template": source, "text": text} if error is None else {"template": source, "error": error}


def file_cases(folder, digests):
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        results = {}
        for name, variables in conversations():
            text, error = render(source, variables)
            if error is not None:
                results[name] = {"error": error[:120]}
            elif digests:
                results[name] = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
            else:
                results[name] = {"text": text}
        yield path.name, results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--external", type=pathlib.Path, help="folder with chat templates of models")
    options = parser.parse_args()
    output = {
        "about": "written by tools/dev/make_chat_fixtures.py with jinja2 " + jinja2.__version__,
        "now": NOW,
        "variables": V,
        "snippets": list(snippet_cases()),
        "conversations": dict(conversations()),
        "shipped": dict(file_cases(TESTDATA / "templates", digests=False)),
        "external": dict(file_cases(options.external, digests=True)) if options.external else {},
    }
    with open(TESTDATA / "chat_template_cases.json", "w", encoding="utf-8") as file:
        json.dump(output, file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
