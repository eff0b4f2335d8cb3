"""A page on this machine, for people who do not code: `app` answers its requests, `serve` starts it.

Starlette and uvicorn, of the extra `web`, are imported only here.
"""
