from typing import Any

from tests.gateway.test_entrance import Browser, opened
from tests.running import run


def test_the_browsers_that_are_in_are_listed_and_ended_one_by_one_or_together() -> None:
    async def main() -> list[Any]:
        async with opened() as (gateway, first):
            await gateway.services.tokens.create("first", ("read",))
            browsers = [first, *(Browser(gateway) for _ in range(3))]
            for browser in browsers:
                await browser.set_up()
            second, third = browsers[1:3]
            _, listed = await third.ask("GET", "/api/signins")
            assert len(listed["signins"]) == 4
            assert {each["how"] for each in listed["signins"]} == {"code"}
            own = (await second.ask("GET", "/api/signins"))[1]["current"]
            found: list[Any] = [await first.ask("DELETE", f"/api/signins/{own}", json={})]
            found.append([(await browser.standing())["signed_in"] for browser in browsers])
            found.append((await first.ask("DELETE", f"/api/signins/{own}", json={}))[0])
            found.append(await first.post("/api/owner/sign-out", others=True))
            found.append([(await browser.standing())["signed_in"] for browser in browsers])
            found.append(await first.post("/api/owner/sign-out"))
            found.append((await first.standing())["signed_in"])
            return found

    assert run(main()) == [
        (200, {"ended": 1}),
        [True, False, True, True],
        404,
        (200, {"ended": 2}),
        [True, False, False, False],
        (200, {"ended": 1}),
        False,
    ]
