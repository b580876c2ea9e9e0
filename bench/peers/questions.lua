-- questions.lua: what fibers cost, asked of every Lua runtime in the same words.
--
-- Usage of a script that calls this: SCRIPT QUESTION COUNT. It prints lines of a name and a number.
-- A runtime is a table of its own functions, called without anything between:
--   spawn(f)          starts a fiber; the result is a handle for `finish`
--   settle(handles)   lets fibers that were started run until they wait
--   finish(handles)   lets the fibers run until all have ended
--   yield()           lets the others run
--   spawn_join(f)     starts a fiber and waits for its end
--   sleep(seconds), now()
--   cond(), channel(capacity)   objects with wait and signal, with put and get
-- A question is only asked when the runtime has the functions it needs. It runs on Lua 5.1, too.

local questions = {}

local function print_cost(count, work)
  collectgarbage()
  local start = os.clock()
  work()
  print(('cpu_ns %.3f'):format((os.clock() - start) * 1e9 / count))
end

local function resident_bytes()
  collectgarbage()
  collectgarbage()
  for line in io.lines('/proc/self/status') do
    local kib = line:match('^VmRSS:%s*(%d+) kB$')
    if kib then return tonumber(kib) * 1024 end
  end
  error('no VmRSS in /proc/self/status')
end

-- All have begun before the clock does: some runtimes make a stack in spawn(), others later.
local function yield_among(runtime, fibers, count)
  local yield = runtime.yield
  local each = count / fibers
  local function body()
    yield()
    for _ = 1, each do yield() end
  end
  local handles = {}
  for i = 1, fibers do handles[i] = runtime.spawn(body) end
  runtime.settle(handles)
  print_cost(count, function() runtime.finish(handles) end)
end

function questions.yield2(runtime, count) yield_among(runtime, 2, count) end

function questions.yield10000(runtime, count) yield_among(runtime, 10000, count) end

function questions.spawn_join(runtime, count)
  local spawn_join = runtime.spawn_join
  local function nothing() end
  runtime.finish({ runtime.spawn(function()
    print_cost(count, function()
      for _ = 1, count do spawn_join(nothing) end
    end)
  end) })
end

function questions.channel(runtime, count)
  local there, back = runtime.channel(1), runtime.channel(1)
  local answering = runtime.spawn(function()
    for _ = 1, count do back:put(there:get()) end
  end)
  local asking = runtime.spawn(function()
    for i = 1, count do
      there:put(i)
      back:get()
    end
  end)
  print_cost(count, function() runtime.finish({ answering, asking }) end)
end

function questions.cond(runtime, count)
  local there, back = runtime.cond(), runtime.cond()
  local answering = runtime.spawn(function()
    for _ = 1, count do
      there:wait()
      back:signal()
    end
  end)
  runtime.settle({ answering }) -- a signal that nobody waits for is lost
  local asking = runtime.spawn(function()
    for _ = 1, count do
      there:signal()
      back:wait()
    end
  end)
  print_cost(count, function() runtime.finish({ answering, asking }) end)
end

-- Each sleeps until a moment of its own in the second that begins when all should sleep already.
function questions.sleepers(runtime, count)
  local sleep, now = runtime.sleep, runtime.now
  local late, handles = {}, {}
  for i = 1, count do late[i], handles[i] = 0, false end
  math.randomseed(1)
  collectgarbage()
  local cpu = os.clock()
  local first = now() + 0.1 + count * 3e-5
  for i = 1, count do
    local due = first + math.random()
    handles[i] = runtime.spawn(function()
      sleep(due - now())
      late[i] = math.abs(now() - due) -- too early is as wrong as too late
    end)
  end
  runtime.finish(handles)
  cpu = os.clock() - cpu
  table.sort(late)
  print(('cpu_us %.4f\noff_p99_ms %.4f'):format(cpu * 1e6 / count,
    late[math.ceil(count * 0.99)] * 1e3))
end

local function park_fibers(runtime, count)
  local wake = runtime.cond()
  local function park() wake:wait() end
  local handles = {}
  for i = 1, count do handles[i] = false end
  local before = resident_bytes()
  for i = 1, count do handles[i] = runtime.spawn(park) end
  runtime.settle(handles)
  return before, handles
end

function questions.parked(runtime, count)
  local before, handles = park_fibers(runtime, count)
  print(('resident_bytes %.1f'):format((resident_bytes() - before) / #handles))
end

function questions.gc(runtime, count)
  local _, handles = park_fibers(runtime, count)
  local pauses = {}
  for i = 1, 9 do
    local start = runtime.now()
    collectgarbage()
    pauses[i] = runtime.now() - start
  end
  table.sort(pauses)
  assert(#handles == count)
  print(('pause_ms %.4f'):format(pauses[5] * 1e3))
end

--- Answers the question in `arg`. The parked fibers of some questions remain: end the process.
--- @param runtime table see above
return function(runtime)
  questions[arg[1]](runtime, tonumber(arg[2]))
  io.stdout:flush()
end
