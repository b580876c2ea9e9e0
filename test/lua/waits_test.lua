-- waits_test.lua: what holds for every function that waits: others go on, cancellation and
-- finalizers end it in the same way, it works inside coroutines, and nobody waits after
-- cancellation.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local fiber = require 'fiber'
local socket = require 'socket'

--- Every waiting function: a table that gives a call which waits for long, and what ends it.
local waits = {}

function waits.sleep() return function() fiber.sleep(100) end end
function waits.join()
  local f = fiber.spawn(fiber.sleep, 100)
  return function() return f:join() end, function() f:wakeup() end
end
function waits.cond()
  local cond = fiber.cond()
  return function() return cond:wait() end, function() cond:signal() end
end
function waits.channel_get()
  local channel = fiber.channel()
  return function() return channel:get() end, function() channel:put(1) end
end
function waits.channel_put()
  local channel = fiber.channel()
  return function() return channel:put(1) end, function() channel:get() end
end
function waits.mutex()
  local mutex = fiber.mutex()
  mutex:lock()
  return function() return mutex:lock() end, function() mutex:unlock() end
end
function waits.semaphore()
  local semaphore = fiber.semaphore(0)
  return function() return semaphore:acquire() end, function() semaphore:release() end
end
function waits.wait_group()
  local group = fiber.wait_group()
  group:add()
  return function() return group:wait() end, function() group:done() end
end
function waits.accept()
  local listener, port = loopback.listener()
  local client = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  return function() return listener:accept() end,
    function() client:sysconnect('127.0.0.1', port) end
end
function waits.iowait()
  local a, b = loopback.unix_pair()
  return function() return socket.iowait(a:fd(), 'r') end, function() b:write('x') end
end
function waits.recvfd()
  local a, b = loopback.unix_pair()
  return function() return a:recvfd() end, function() b:write('x') end
end

for _, name in ipairs { 'read', 'readline', 'read_any', 'peek', 'readable', 'recv', 'recvfrom',
    'sysread' } do
  waits[name] = function()
    local a, b = loopback.pair()
    return function() return a[name](a) end, function() b:write('data\n'); b:close() end
  end
end

function waits.lines()
  local a, b = loopback.pair()
  return function() return a:lines()() end, function() b:write('data\n') end
end

for name, arguments in pairs { write = { 'x' }, writev = { 'x', 'y' }, send = { 'x' },
    syswrite = { 'x' }, writable = {},
  wait = {} } do
  waits[name] = function()
    local a, b, total = loopback.full_pair()
    return function() return a[name](a, table.unpack(arguments)) end, function() b:read(total) end
  end
end

function waits.flush()
  local a, b, total = loopback.full_pair()
  a:setvbuf('auto')
  a:write('x')
  return function() return a:flush() end, function() b:read(total) end
end

local function full_datagram()
  local a, b = loopback.unix_pair('SOCK_DGRAM')
  while a:send('x', nil, 0) do end
  return a, b
end

function waits.sendfd()
  local a, b = full_datagram()
  return function() return a:sendfd(a) end, function() for _ = 1, 300 do b:recv(nil, nil, 0) end end
end

function waits.sendto()
  local path = os.tmpname()
  os.remove(path)
  local server, client = socket('AF_UNIX', 'SOCK_DGRAM', 0), socket('AF_UNIX', 'SOCK_DGRAM', 0)
  server:bind('unix/', path)
  while client:sendto('unix/', path, 'x', nil, 0) do end
  return function() return client:sendto('unix/', path, 'x') end, function()
    os.remove(path)
    while server:recv(nil, nil, 0) do end
  end
end

function waits.sysconnect()
  local listener, port = loopback.listener()
  listener:listen(0)
  local clients = {}
  for i = 1, 4 do
    clients[i] = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    clients[i]:nonblock(true)
    clients[i]:sysconnect('127.0.0.1', port)
  end
  local client = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  return function() return client:sysconnect('127.0.0.1', port), clients, listener end
end

local names = {}
for name in pairs(waits) do names[#names + 1] = name end
table.sort(names)

local kept -- what ends the wait that started last: the other end of its socket is not collected

--- Starts a fiber that waits as `name` says. Returns it and what ends the wait.
local function start(name, wrap)
  local call, finish = waits[name]()
  kept = finish
  local waiter = fiber.spawn(wrap and wrap(call) or call)
  test.settle()
  test.equal(waiter:status(), 'suspended')
  return waiter, finish
end

local function check_cancelled(f)
  local ok, err = f:join(5)
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err), tostring(err))
end

for _, name in ipairs(names) do
  test.case('others go on while one fiber waits: ' .. name, function()
    local waiter, finish = start(name)
    local counter = 0
    local ticker = fiber.new(function() while true do counter = counter + 1; fiber.yield() end end)
    test.eventually(function() return counter > 50 end)
    test.equal(waiter:status(), 'suspended')
    ticker:cancel()
    if finish then
      finish()
      test.equal(waiter:join(5), true)
    end
  end)

  test.case('a waiting fiber that is cancelled raises: ' .. name, function()
    local waiter = start(name)
    waiter:cancel()
    check_cancelled(waiter)
  end)

  test.case('a cancelled fiber does not wait: ' .. name, function()
    local call, finish = waits[name]()
    local finisher = finish and fiber.create(pcall, finish)
    local waiter = fiber.spawn(call)
    waiter:cancel()
    check_cancelled(waiter)
    return finisher, kept
  end)

  test.case('it works inside a coroutine: ' .. name, function()
    local waiter, finish = start(name, coroutine.wrap)
    test.match(waiter:traceback(), 'in coroutine of')
    if finish then
      finish()
      test.equal(waiter:join(5), true)
    end
  end)

  test.case('a finalizer cannot wait: ' .. name, function()
    local call = waits[name]()
    local ok, message
    setmetatable({}, { __gc = function() ok, message = pcall(call) end })
    collectgarbage()
    collectgarbage()
    test.equal(ok, false)
    test.match(message, 'cannot wait inside a finalizer')
  end)
end

--- What pcall(f, ...) returns in a finalizer.
local function in_finalizer(f, ...)
  local arguments, results = table.pack(...), nil
  setmetatable({}, { __gc = function()
    results = table.pack(pcall(f, table.unpack(arguments)))
  end })
  collectgarbage()
  collectgarbage()
  return table.unpack(results)
end

test.case('a finalizer may write what is taken at once', function()
  local a, b = loopback.pair()
  for _, mode in ipairs { 'no', 'auto' } do
    a:setvbuf(mode)
    test.equal({ in_finalizer(a.write, a, 'hello') }, { true, 5 })
    test.equal(b:read(5), 'hello')
  end
end)

test.case('a finalizer cannot read, not even what is buffered', function()
  local a, b = loopback.pair()
  b:write('one\ntwo\n')
  test.equal(a:readline(), 'one\n')
  for _, read in ipairs { a.readline, a.read_any, a.peek } do
    local ok, message = in_finalizer(read, a)
    test.equal(ok, false)
    test.match(message, 'cannot wait inside a finalizer')
  end
  test.equal(a:readline(), 'two\n')
end)

test.case('who finds every line in the buffer lets others run, and is cancelled', function()
  local a, b = loopback.pair()
  b:write(('x\n'):rep(200))
  test.equal(#a:peek(400), 400)
  local before = fiber.self():csw()
  for _ = 1, 130 do test.equal(a:readline(), 'x\n') end
  test.equal(fiber.self():csw() - before, 2)
  local reader = fiber.spawn(function() return a:readline() end)
  reader:cancel()
  check_cancelled(reader)
  test.equal(#a.rbuf, 140)
end)

test.case('a finalizer is one in any fiber, and in coroutines that it resumes', function()
  local waits_before = coroutine.wrap(function()
    while true do coroutine.yield(fiber.yield()) end
  end)
  local function made_inside() return coroutine.wrap(fiber.yield)() end
  local ok = fiber.spawn(function()
    waits_before()
    for _, call in ipairs { fiber.yield, made_inside, waits_before } do
      local done, message = in_finalizer(call)
      test.equal(done, false)
      test.match(message, 'cannot wait inside a finalizer')
    end
  end):join()
  test.equal(ok, true)
end)

test.case('neither yield nor a new fiber that runs at once is possible in a finalizer', function()
  local message, order = nil, {}
  setmetatable({}, { __gc = function()
    message = select(2, pcall(fiber.yield))
    fiber.create(function()
      order[#order + 1] = 'fiber'
      fiber.sleep(0)
      order[#order + 1] = 'slept'
    end)
    order[#order + 1] = 'finalizer'
  end })
  collectgarbage()
  collectgarbage()
  test.match(message, 'cannot wait inside a finalizer')
  test.settle()
  test.equal(order, { 'finalizer', 'fiber', 'slept' })
end)

test.finish()
