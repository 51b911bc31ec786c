"""A double of OpenAI's chat completions, for the demo alone: no LLM. It finds the text in the request and answers
what demo/texts.jsonl says of it, in the wire format of the real one, slowly, and with its faults."""

import http.server
import json
import random
import threading
import time

# The answers of a text it doesn't know: somebody typed it into the box.
UNKNOWN = {"label": "neutral", "sarcasm": "unsure", "emotions": ["neutral"], "aspects": []}


class Double:
    MODEL = "double-of-gpt-4o"

    def __init__(self, texts: "list[dict]"):
        known = {text["text"]: text for text in texts}
        handler = type("Handler", (Handler,), {"known": known})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> "Double":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: "dict[str, dict]" = {}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        chance = random.random()
        time.sleep(min(random.lognormvariate(-0.7, 0.5), 8))
        if chance < 0.01:
            return self.answer(429, problem("Rate limit reached", "rate_limit_exceeded"))
        if chance < 0.02:
            return self.answer(500, problem("The server had an error", "server_error"))
        asked = json.loads(request["messages"][-1]["content"])
        fields = request["response_format"]["json_schema"]["schema"]["properties"]
        entry = self.known.get(asked.get("text"), UNKNOWN)
        content = json.dumps(verdict(entry, fields))
        self.answer(200, completion(request["model"], content, len(body) // 4, len(content) // 4))

    def answer(self, status: int, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Texts are nothing for a log."""


def verdict(entry: dict, fields: dict) -> dict:
    """What the schema asks for, of what is known."""
    known = {
        "sarcasm": entry["sarcasm"],
        "label": entry["label"],
        "certainty": "certain" if entry is not UNKNOWN else "unsure",
        "aspects": entry["aspects"],
        "emotions": entry["emotions"],
        "strong": len(entry["emotions"]),
    }
    return {name: known[name] for name in fields}


def completion(model: str, content: str, tokens_in: int, tokens_out: int) -> dict:
    message = {"role": "assistant", "content": content, "refusal": None}
    return {
        "id": f"chatcmpl-{random.getrandbits(64):016x}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def problem(message: str, code: str) -> dict:
    return {"error": {"message": message, "type": code, "param": None, "code": code}}
