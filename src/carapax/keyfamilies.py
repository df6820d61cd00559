"""What has the shape of a key: the beginnings that vendors give their keys, and values that are called a key.

The shapes are facts that vendors publish or that their keys show. Every pattern takes time in proportion to the text:
after its beginning each is a run of letters, or several of bounded length.
"""

import re
from collections.abc import Iterator
from functools import cache

Span = tuple[int, int]

# %h is a hexadecimal digit, %n a digit, %w a letter or digit, %u one of URL-safe Base64, %b one of any Base64.
_SETS = {"%h": "[a-fA-F0-9]", "%n": "[0-9]", "%w": "[A-Za-z0-9]", "%u": "[A-Za-z0-9_-]", "%b": "[A-Za-z0-9+/=_-]"}
_UUID = "%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"
_SHAPES = rf"""
A3-%w{{6}}-%w{{5,6}}-?%w{{5}}-%w{{5}}-%w{{5}}
AGE-SECRET-KEY-1%w{{58}}
AIza%u{{33,39}}
AKCp%w{{60,80}}
AKIA[A-Z0-9]{{16}}\b
ASIA[A-Z0-9]{{16}}\b
ABIA[A-Z0-9]{{16}}\b
ACCA[A-Z0-9]{{16}}\b
A3T[A-Z0-9]{{17}}\b
ABSK%b{{60,200}}
API-[A-Z0-9]{{25,30}}\b
ATATT3%b{{100,400}}
ATCTT3%b{{100,400}}
ATBB%w{{24,40}}
CFPAT-%u{{43}}
CLOJARS_%w{{50,70}}
EAAA%u{{22,80}}
EAAC%w{{80,400}}
EAAM%w{{80,400}}
EAAG%w{{80,400}}
EZAK%w{{50,60}}
EZTK%w{{50,60}}
FLWPUBK_TEST-%w{{32}}-X
FLWSECK-%w{{32}}-X
FLWSECK_TEST-%w{{12,34}}
GOCSPX-%u{{24,40}}
GR1348941%u{{20,40}}
KGAT_%h{{32}}
LTAI%w{{16,24}}\b
NRAK-%w{{27}}
NRII-%u{{32}}
NRJS-%h{{19}}
NRRA-%h{{40}}
PMAK-%h{{24}}-%h{{34}}
PMAT-%w{{26}}
SG\.%u{{16,32}}\.%u{{32,64}}
SK%h{{32}}\b
ZXlKa%b{{40,2000}}
abp_%w{{32,64}}
apify_api_%w{{30,50}}
atlasv1\.%u{{20,80}}
b_%w{{44}}\b
cfpat_%u{{30,60}}
cmVmd%w{{50,70}}
csk-%w{{40,60}}
dapi%h{{32}}
dckr_oat_%u{{24,60}}
dckr_pat_%u{{24,40}}
dnkey-%b{{20,30}}-%b{{40,60}}
doo_v1_%h{{64}}
dop_v1_%h{{64}}
dor_v1_%h{{64}}
dp\.audit\.%w{{40,44}}
dp\.ct\.%w{{40,44}}
dp\.pt\.%w{{40,44}}
dp\.sa\.%w{{40,44}}
dp\.scim\.%w{{40,44}}
dp\.st\.[A-Za-z0-9_.-]{{40,80}}
dt0c01\.%w{{24}}\.%w{{64}}
dt0s01\.%w{{8,24}}\.%w{{64}}
dt0s16\.%w{{8,24}}\.%w{{64}}
duffel_live_%b{{40,50}}
duffel_test_%b{{40,50}}
e2b_%h{{40}}
endr\+%w{{16}}
ey[A-Za-z0-9]{{17,}}\.ey%u{{17,}}\.%u{{10,}}
fal_%u{{30,80}}
fc-%h{{32}}\b
figd_%u{{36,60}}
figo_%u{{36,60}}
fio-u-%b{{60,70}}
flyv1_%b{{40,2000}}
fm1[ar]_%b{{60,2000}}
fm2_%b{{60,2000}}
fo1_%u{{43}}
fw_%w{{22,40}}\b
gAAAAA%u{{80,2000}}
gho_%w{{36,255}}
ghp_%w{{36,255}}
ghr_%w{{36,255}}
ghs_%w{{36,255}}
ghu_%w{{36,255}}
github_pat_%u{{60,255}}
gitea_%h{{40}}
glagent-%u{{40,60}}
glc_%b{{32,400}}
glcbt-%w{{1,5}}_%u{{20,40}}
gldt-%u{{20,40}}
glffct-%u{{20,40}}
glft-%u{{20,40}}
glimt-%u{{20,40}}
gloas-%u{{40,80}}
glpat-[A-Za-z0-9_.-]{{20,300}}
glptt-%h{{40}}
glrt-%u{{20,60}}
glrtr-%u{{20,60}}
glsa_%w{{32}}_%h{{8}}
glsoat-%u{{20,40}}
gsk_%w{{40,70}}
hf_%w{{30,50}}\b
api_org_%w{{30,50}}\b
hooks\.slack\.com/(?:services|workflows|triggers)/%b{{30,80}}
hvb\.%u{{80,400}}
hvr\.%u{{80,400}}
hvs\.%u{{80,400}}
ico-%w{{32}}\b
jina_%w{{40,80}}
key-%h{{32}}\b
lin_api_%w{{36,60}}
lin_oauth_%h{{50,80}}
live_%h{{35}}\b
live_pub_%h{{31}}\b
test_%h{{35}}\b
test_pub_%h{{31}}\b
lsv2_pt_%h{{32}}_%h{{10}}
lsv2_sk_%h{{32}}_%h{{10}}
m0-%w{{36,50}}\b
mlsn\.%h{{60,70}}
nfp_%w{{36,50}}
npm_%w{{36,50}}\b
ntn_%w{{40,60}}
nvapi-%u{{60,80}}
ops_ey%b{{100,2000}}
oy2%w{{43}}\b
p8e-%w{{32}}\b
pat-eu1-{_UUID}
pat-na1-{_UUID}
pat%w{{14}}\.%h{{64}}
pcsk_%u{{40,90}}
phc_%w{{40,60}}
phx_%w{{40,60}}
pk-lf-{_UUID}
sk-lf-{_UUID}
pk_live_%w{{20,120}}
pk_test_%w{{20,120}}
pk\.%w{{60,120}}\.%u{{20,30}}
sk\.%w{{60,120}}\.%u{{20,30}}
pnu_%w{{36}}\b
pplx-%w{{40,70}}
pscale_oauth_[\w.=-]{{30,70}}
pscale_pw_[\w.=-]{{30,70}}
pscale_tkn_[\w.=-]{{30,70}}
pubkey-%h{{32}}\b
pul-%h{{40}}\b
pypi-AgE%u{{40,1000}}
r8_%w{{36,40}}\b
rdme_%w{{70}}
re_%w{{8}}_%w{{20,40}}
rk_live_%w{{10,120}}
rk_prod_%w{{10,120}}
rk_test_%w{{10,120}}
rnd_%w{{28,40}}\b
rpa_%w{{40,60}}\b
rubygems_%h{{48}}
s-s4t2af-%h{{64}}
s-s4t2ud-%h{{64}}
sbp_%h{{40}}\b
sb_secret_%u{{20,60}}
sdk-{_UUID}
api-{_UUID}
mob-{_UUID}
secret_%w{{43}}\b
sgp_[a-z0-9_]{{40,70}}\b
sha256~%u{{43}}
shippo_live_%h{{40}}
shippo_test_%h{{40}}
shpat_%h{{32}}
shpca_%h{{32}}
shppa_%h{{32}}
shpss_%h{{32}}
sk-ant-%u{{40,200}}
sk-or-v1-%h{{64}}
sk-proj-%u{{40,250}}
sk-svcacct-%u{{40,250}}
sk-admin-%u{{40,250}}
sk-%w{{32,64}}\b
sk_live_%w{{10,120}}
sk_prod_%w{{10,120}}
sk_test_%w{{10,120}}
sl\.%b{{120,400}}
sm_aat_%w{{16}}\b
sm_pat_%w{{16}}\b
sm_sat_%w{{16}}\b
sntrys_ey%b{{60,600}}
sntryu_%h{{64}}
sq0atp-%u{{22,60}}
sq0csp-%u{{43}}
sqp_%h{{40}}\b
squ_%h{{40}}\b
sqa_%h{{40}}\b
tfp_%u{{40,80}}
tgp_v1_%u{{40,60}}
tk-us-%u{{48}}
tskey-[a-z]{{2,10}}-%u{{16,80}}
tvly-%u{{28,60}}
v1\.0-%h{{24}}-%h{{146}}
whsec_%b{{28,80}}
xai-%w{{60,120}}
xapp-%n-%w{{8,14}}-%n{{8,16}}-%w{{10,80}}
xkeysib-%h{{64}}-%w{{16}}
xsmtpsib-%h{{64}}-%w{{16}}
xox[abcoprs]-[A-Za-z0-9-]{{10,120}}
xoxd-[A-Za-z0-9%+/=-]{{20,250}}
xoxe[.-][A-Za-z0-9-]{{20,250}}
ya29\.%u{{30,400}}
1//0%u{{30,200}}
4b1d%w{{38}}\b
"""
# Keys with no beginning of their own: what tells them is the vendor's or a key's name before them, as in
# `DATADOG_API_KEY=...`.
_NAMES = """
access_key access_token accesstoken account_key adafruit adobe airtable algolia alibaba api_key api_secret api_token
apikey api-key app_secret artifactory asana atlassian auth_key auth_token authkey authtoken azure beamer bearer bintray
bitbucket bittrex cisco client_secret clientsecret cloudflare codecov cohere coinbase confluence confluent
consumer_key consumer_secret contentful contribsys datadog db_password deepseek discord droneci dropbox
encryption_key etsy facebook fastly finicity finnhub flickr freshbooks heroku hubspot intercom jfrog jira kraken kucoin
launchdarkly license_key linear linkedin linked_in linked-in lob_ mailchimp mailgun mapbox mattermost maxmind meraki
messagebird message_bird message-bird mistral netlify newrelic new-relic new_relic nytimes okta plaid privateai
private_ai private-ai private_key rapidapi refresh_token secret_key secretkey secret-key sendbird sentry signing_key
snyk sonar splunk squarespace sumo telegr travis trello twilio twitch twitter typeform webhook_secret x-api-key xray
yandex zendesk
"""
# Every key is a long run of letters; only there is looked for more.
_RUN = re.compile(r"(?<![A-Za-z0-9_+/.~-])[A-Za-z0-9_+/.~-]{14,}={0,2}")
_WORD = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9])")
_ASSIGNED = re.compile(r"[=:>,|][\s'\"`(\[=]{0,5}(?:(?:bearer|basic|token) )?(?:[0-9]{5,16}:)?\Z")
# Of a block that is cut short, what has the look of its lines.
_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]{40,16000}-----END [A-Z ]{0,40}KEY(?: BLOCK)?-----|(?:(?:\s|\\n){0,9}[A-Za-z0-9+/=]{16,}){1,400})"
)
_LOOK_BACK = 80
_LEAST_KINDS = 8


def families_in(text: str) -> Iterator[Span]:
    """Where keys are that their shape or their name tells."""
    for run in _RUN.finditer(text):
        spans = list(_shaped(text, *run.span()))
        if not spans and _is_random(run[0]) and _is_called_key(text, run.start()):
            spans = [run.span()]
        yield from spans
    if "PRIVATE KEY" in text:
        yield from (block.span() for block in _BLOCK.finditer(text))


def _shaped(text: str, start: int, end: int) -> Iterator[Span]:
    reached = start
    for word in _WORD.finditer(text, start, end):
        at = word.start()
        for shape in _shapes(text[at : at + 2]) if at >= reached else ():
            if found := shape.match(text, at):
                reached = max(reached, found.end())
                yield found.span()


def _is_called_key(text: str, start: int) -> bool:
    """Whether what begins here is given to something that has a key's name."""
    before = text[max(0, start - _LOOK_BACK) : start].rpartition("\n")[2].lower()
    return _ASSIGNED.search(before) is not None and any(name in before for name in _names())


def _is_random(value: str) -> bool:
    """Whether it has as many kinds of letters as chance gives, and digits among them."""
    return sum(map(str.isdigit, value)) >= 2 and len(set(value)) >= _LEAST_KINDS


@cache
def _names() -> tuple[str, ...]:
    return tuple(_NAMES.split())


@cache
def _shapes(beginning: str) -> list[re.Pattern[str]]:
    """Those that begin with these two letters. Most are never met, and compiling all takes 10 ms."""
    found = []
    for written in _SHAPES.split():
        if written.startswith(beginning):
            pattern = written
            for short, letters in _SETS.items():
                pattern = pattern.replace(short, letters)
            found.append(re.compile(pattern))
    return found
