-- Makes wrk print rows of the suite. Times are in microseconds in wrk, in nanoseconds in the suite.

function init(args)
  name = args[1]
  wrk.thread:set("name", name)
end

local thread

function setup(each)
  thread = each
end

function done(summary, latency)
  local name = thread:get("name")
  local errors = 0
  for _, count in pairs(summary.errors) do errors = errors + count end
  if errors > 0 then
    io.stderr:write(errors .. " requests failed\n")
    os.exit(1)
  end
  local n = "\tn=" .. summary.requests
  for _, share in ipairs({50, 99, 99.9}) do
    print(name .. "/p" .. share .. "\t" .. 1000 * latency:percentile(share) .. n)
  end
  print(name .. "/rate\t" .. 1e6 * summary.requests / summary.duration .. n .. "\tunit=1/s")
end
