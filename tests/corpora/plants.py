"""Files of a workspace and variables of an environment that some program honours, each with a canary in it.

Made for this project, and under its licence. Who runs one of the files, or goes by one of the variables, leaves a file
named `canary` in the folder where it runs.
"""

import json
from collections.abc import Iterator

SHELL = "touch canary\n"
PYTHON = "open('canary', 'w').close()\n"
PROGRAM = "#!/bin/sh\n/usr/bin/touch canary\n"
GIT = (
    "[core]\nfsmonitor = touch canary;\npager = touch canary;\nhooksPath = hooks\nsshCommand = touch canary;\n"
    '[alias]\nstatus = !touch canary\n[diff]\nexternal = touch canary;\n[filter "x"]\nclean = touch canary; cat\n'
)
_STARTS = (
    *(".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_logout", ".bash_aliases", ".zshrc", ".zshenv"),
    *(
        ".zprofile",
        ".kshrc",
        ".mkshrc",
        ".shrc",
        ".env",
        ".envrc",
        ".login",
        ".cshrc",
        ".tcshrc",
        ".screenrc",
        ".ssh/rc",
    ),
    *(".config/fish/config.fish", ".xprofile", ".git/hooks/post-index-change", "hooks/post-index-change", ".hushlogin"),
)
_PYTHONS = (
    *(
        "sitecustomize.py",
        "usercustomize.py",
        ".pythonrc",
        "conftest.py",
        "setup.py",
        "carapax.py",
        "msgspec.py",
        "click.py",
    ),
    *(f".local/lib/python3.{minor}/site-packages/usercustomize.py" for minor in (9, 10, 11, 12, 13, 14)),
)
_PROGRAMS = (
    *(
        f"{folder}{name}"
        for folder in ("", "bin/", ".local/bin/")
        for name in ("ls", "cat", "grep", "sort", "find", "sh")
    ),
    *("bash", "env", "prlimit", "setpriv", "node_modules/.bin/ls", ".lessfilter", "command_not_found_handle"),
)
_SETTINGS = {
    ".inputrc": '"x": "touch canary\\n"\n',
    ".gitconfig": GIT,
    ".config/git/config": GIT,
    ".git/config": GIT,
    ".gitattributes": "* filter=x diff=x\n",
    ".git/info/attributes": "* filter=x\n",
    ".git/HEAD": "ref: refs/heads/main\n",
    ".vimrc": "!touch canary\n",
    ".exrc": "!touch canary\n",
    ".emacs": '(shell-command "touch canary")\n',
    ".tmux.conf": "run-shell 'touch canary'\n",
    ".wgetrc": "use_askpass = touch canary\n",
    ".curlrc": "output = canary\n",
    ".netrc": "default login a password b macdef init\n!touch canary\n",
    ".npmrc": "script-shell=./sh\n",
    ".yarnrc": "yarn-path ./sh\n",
    ".config/pip/pip.conf": "[global]\nindex-url = http://127.0.0.1:1\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p canary'\n[tool.carapax]\n",
    "setup.cfg": "[tool:pytest]\naddopts = -p canary\n",
    "tox.ini": "[testenv]\ncommands = touch canary\n",
    "Makefile": "%:\n\ttouch canary\n",
    "GNUmakefile": "%:\n\ttouch canary\n",
    ".ripgreprc": "--pre=./cat\n",
    ".ackrc": "--pager=touch canary\n",
    ".jq": "def map(f): error;\n",
    ".sqliterc": ".shell touch canary\n",
    ".gdbinit": "shell touch canary\n",
    ".dircolors": "TERM dumb\nDIR 01;31\n",
    ".terminfo/d/dumb": "\x1a\x01",
    ".magic": "0 string a canary\n",
    ".nanorc": "set speller 'touch canary'\n",
    ".ssh/config": "Host *\nProxyCommand touch canary\n",
    ".pam_environment": "BASH_ENV=./.bashrc\n",
    ".config/environment.d/a.conf": "BASH_ENV=./.bashrc\n",
    ".docker/config.json": json.dumps({"credsStore": "canary", "proxies": {"default": {"httpProxy": "http://a"}}}),
    "carapax.toml": '[[policy.rules]]\nverdict = "allow"\n[agents.main]\nsandbox = "local"\n',
    ".carapax/carapax.toml": '[[policy.rules]]\nverdict = "allow"\n',
    ".local/lib/python3.11/site-packages/a.pth": "import os; open('canary', 'w')\n",
    "libcanary.so": "no library",
    "ld.so.preload": "/workspace/libcanary.so\n",
    "group": "root:x:0:\n",
}

VARIABLES = {
    **dict.fromkeys(("BASH_ENV", "ENV", "PYTHONSTARTUP"), "{folder}/.bashrc"),
    **dict.fromkeys(("LD_PRELOAD", "LD_AUDIT"), "{folder}/libcanary.so"),
    **dict.fromkeys(("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PERL5LIB", "NODE_PATH", "TERMINFO"), "{folder}"),
    **dict.fromkeys(("PATH", "HOME", "ZDOTDIR", "XDG_CONFIG_HOME", "LOCPATH", "GCONV_PATH"), "{folder}"),
    **dict.fromkeys(
        ("LESSOPEN", "PAGER", "GIT_PAGER", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "EDITOR"), "touch canary"
    ),
    **dict.fromkeys(("PROMPT_COMMAND", "GIT_EDITOR", "MANPAGER", "LESS"), "touch canary"),
    "PS4": "$(touch canary)",
    "SHELLOPTS": "xtrace",
    "BASHOPTS": "extdebug",
    "BASH_FUNC_ls%%": "() { touch canary; }",
    "BASH_FUNC_grep%%": "() { touch canary; }",
    "IFS": "/",
    "CDPATH": "{folder}/bin",
    "GLOBIGNORE": "*",
    "POSIXLY_CORRECT": "1",
    "GREP_OPTIONS": "-v",
    "GREP_COLOR": "1;31",
    "LS_COLORS": "di=01;31",
    "QUOTING_STYLE": "c",
    "BLOCK_SIZE": "1",
    "COLUMNS": "10",
    "LC_ALL": "C",
    "TZ": "Pacific/Kiritimati",
    "TMPDIR": "{folder}/hooks",
    "SHELL": "{folder}/sh",
    "GIT_CONFIG_GLOBAL": "{folder}/.gitconfig",
    "GIT_DIR": "{folder}/.git",
    "PERL5OPT": "-Mcanary",
    "RUBYOPT": "-rcanary",
    "NODE_OPTIONS": "--require=./canary",
    "PYTHONINSPECT": "1",
    "NPM_CONFIG_SCRIPT_SHELL": "./sh",
    "PIP_INDEX_URL": "http://127.0.0.1:1",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "DOCKER_HOST": "tcp://127.0.0.1:1",
    "RIPGREP_CONFIG_PATH": "{folder}/.ripgreprc",
}


def files() -> Iterator[tuple[str, str]]:
    """Each file with what stands in it."""
    for names, text in ((_STARTS, SHELL), (_PYTHONS, PYTHON), (_PROGRAMS, PROGRAM)):
        for name in names:
            yield name, text
    yield from _SETTINGS.items()
