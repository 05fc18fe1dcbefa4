-- Asks by turns what stands in a file, requests parted by NUL, and looks at each answer.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  requests, sent, wrong, example = {}, 0, 0, ""
  smallest = tonumber(arguments[2])
  for request in io.open(arguments[1], "rb"):read("*a"):gmatch("[^%z]+") do
    table.insert(requests, request)
  end
end

function request()
  sent = sent + 1
  return requests[sent % #requests + 1]
end

function response(status, headers, body)
  if status ~= 200 or #body < smallest or body:find('"errors"', 1, true) then
    wrong, example = wrong + 1, body:sub(1, 300)
  end
end

function done(summary, latency)
  local errors, thread = summary.errors, threads[1]
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  io.write(string.format(
    "\nRESULT %d %d %d %d %d %d %s\n", summary.requests, summary.duration, p50, p99, broken,
    thread:get("wrong"), thread:get("example"):gsub("%c", " ")))
end
