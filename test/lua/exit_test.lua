-- exit_test.lua: how the program ends: by itself, by an error, by os.exit, by a deadlock.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local fiber = require 'fiber'

local preamble = "local fiber, socket = require 'fiber', require 'socket'\n"

--- Runs a script that must end with this exit status, and returns what child.run returns.
local function ends(status, text, ...)
  local result = child.run(preamble .. text, ...)
  if result.how ~= 'exit' or result.code ~= status then
    error(('%s %d\n%s%s'):format(result.how, result.code, result.out, result.err), 2)
  end
  return result
end

test.case('the program goes on while fibers have something to wait for', function()
  local result = ends(0, [[
    fiber.new(function() fiber.sleep(0.02); print('slept') end)
    local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    s:bind('127.0.0.1', 0)
    s:listen()
    fiber.new(function()
      local client = s:accept()
      print(client:read())
    end)
    local c = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    c:sysconnect('127.0.0.1', s:name().port)
    fiber.new(function() fiber.sleep(0.01); c:write('sent'); c:close() end)
    print('the script has ended')
  ]])
  test.equal(result.out, 'the script has ended\nsent\nslept\n')
  test.equal(result.err, '')
end)

test.case('it ends when no fiber has anything to wait for', function()
  local result = ends(0, [[
    local channel = fiber.channel()
    fiber.new(function()
      local guard <close> = setmetatable({}, { __close = function() print('cancelled') end })
      channel:get()
    end)
    fiber.new(function() fiber.cond():wait() end)
    print('the script has ended')
  ]])
  test.equal(result.out, 'the script has ended\ncancelled\n')
  test.equal(result.err, '')
end)

test.case('a listening server keeps it alive', function()
  local process = child.start [[
    local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    s:bind('127.0.0.1', 0)
    s:listen()
    fiber.new(function() s:accept() end)
    print(s:name().port)
  ]]
  test.ok(tonumber(process:line()))
  process:signal 'TERM'
  local rest, how, code = process:wait()
  test.equal({ rest, how, code }, { '', 'signal', 15 })
end)

test.case('an error of the script ends it at once, although fibers are parked', function()
  local began = fiber.clock()
  local result = ends(1, [[
    fiber.create(function() fiber.sleep(100) end)
    fiber.create(function() while true do pcall(fiber.sleep, 100) end end)
    error('the script is broken')
  ]])
  test.ok(fiber.clock() - began < 4)
  test.match(result.err, ('^%s: %s:4: the script is broken\nstack traceback:\n')
    :format(child.program:gsub('%p', '%%%0'), result.path:gsub('%p', '%%%0')))
end)

test.case('os.exit ends it at once with the status, although fibers are parked', function()
  for words, status in pairs { ['7'] = 7, ['0'] = 0, ['true'] = 0, ['false'] = 1, [''] = 0,
      ['3, false'] = 3 } do
    local result = ends(status, [[
      fiber.create(function() while true do pcall(fiber.sleep, 100) end end)
      io.write('flushed')
      os.exit(]] .. words .. [[)
      print('not reached')
    ]])
    test.equal({ result.out, result.err }, { 'flushed', '' })
  end
end)

test.case('os.exit works in any fiber and in a coroutine', function()
  for _, text in ipairs { 'fiber.new(function() os.exit(5) end) fiber.sleep(100)',
    'fiber.new(function() fiber.sleep(0.001); coroutine.wrap(os.exit)(5) end)' } do
    ends(5, text)
  end
end)

test.case('os.exit(status, true) closes the state: finalizers run, in any fiber', function()
  for _, call in ipairs { 'os.exit(true, true)', 'os.exit(4, true)',
      'fiber.create(os.exit, 4, true)',
    'fiber.new(os.exit, 4, true) fiber.sleep(100)' } do
    local result = ends(call:find 'true, true' and 0 or 4, [[
      Kept = setmetatable({}, { __gc = function() print('collected') end })
      fiber.create(function() fiber.sleep(100) end)
      fiber.create(function() socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0):read() end)
      ]] .. call)
    test.equal({ result.out, result.err }, { 'collected\n', '' })
  end
end)

test.case('at the normal end finalizers run too, and cannot wait', function()
  local result = ends(0, [[
    Kept = setmetatable({}, { __gc = function()
      print(select(2, pcall(fiber.sleep, 1)))
      print(pcall(fiber.create, print))
      local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
      print(s:close())
    end })
  ]])
  test.match(result.out, 'cannot wait')
  test.match(result.out, 'true\n$')
  test.equal(result.err, '')
end)

test.case('a fiber that swallows cancellation is named', function()
  local began = fiber.clock()
  local result = ends(0, [[
    local f = fiber.create(function()
      while true do pcall(fiber.cond().wait, fiber.cond()) end
    end)
    f:name('stubborn')
  ]])
  test.match(result.err, '^coir: 1 fibers? would not stop:\nfiber %d+ %(stubborn%)')
  test.ok(fiber.clock() - began < 10)
end)

-- -- Deadlock -------------------------------------------------------------------------------------

test.case('a deadlock is reported with the traceback of every parked fiber', function()
  local result = ends(1, [[
    local cond, channel, mutex = fiber.cond(), fiber.channel(), fiber.mutex()
    local function reader() channel:get() end
    fiber.create(function() reader() end):name('the reader')
    fiber.create(function() mutex:lock(); mutex.lock(mutex, nil) end)
    fiber.create(function() mutex:lock() end):name('the locker')
    local function main() cond:wait() end
    main()
  ]])
  test.match(result.err, 'deadlock')
  for _, pattern in ipairs { "fiber %d+ %(the reader%) waits: channel get, ", "in upvalue 'reader'",
    'fiber %d+ %(the locker%) waits: mutex, ', 'fiber %d+ %(lua_%w+%) waits: cond, ',
    "in local 'main'" } do
    test.match(result.err, pattern)
  end
end)

test.case('joining each other is a deadlock', function()
  local result = ends(1, [[
    local a, b
    a = fiber.spawn(function() b:join() end)
    b = fiber.spawn(function() a:join() end)
    a:join()
  ]])
  local _, count = result.err:gsub('waits: join', '')
  test.equal(count, 3)
end)

test.case('waiting for a descriptor or a time is none', function()
  ends(0, [[
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    fiber.new(function() fiber.sleep(0.01); b:write('x') end)
    a:read(1)
    print(fiber.cond():wait(0.01))
  ]])
end)

-- -- Descriptors ----------------------------------------------------------------------------------

test.case('inherited descriptors stay open, and the program\'s own do not reach its children', function()
  local path = os.tmpname()
  local result = child.shell(([[echo "through descriptor 7" >%s; exec 7<%s 8<%s; exec "$0" -e '
    local socket = require "socket"
    print(socket.from_fd(7):readline())
    local s = socket("AF_INET", "SOCK_STREAM", "tcp")
    s:bind("127.0.0.1", 0)
    s:listen()
    os.execute("ls -l /proc/self/fd | grep -c -e socket: -e eventpoll -e eventfd; cat <&8")
  ']]):format(path, path, path))
  os.remove(path)
  test.equal({ result.out, result.err }, { 'through descriptor 7\n\n0\nthrough descriptor 7\n',
    '' })
end)

test.case('SIGPIPE does not end it', function()
  local result = ends(0, [[
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    b:close()
    print(a:syswrite('x'))
    local pipe = io.popen('exec true', 'w')
    fiber.sleep(0.1)
    print(pipe:write(('x'):rep(1 << 20)))
  ]])
  test.match(result.out, '^nil\tBroken pipe\t32\nnil\tBroken pipe\t32\n')
end)

local writes = {
  print = 'while true do print(1) end',
  ['io.write'] = 'while true do io.write("x") end',
  ['io.stderr'] = 'while true do io.stderr:write("x") end',
  ['a fiber'] = 'require("fiber").new(function() while true do print(1) end end)',
  ['socket.from_fd'] = 'local s = require("socket").from_fd(1) while true do s:write("x") end',
}

for name, script in pairs(writes) do
  test.case('it ends by SIGPIPE when nobody reads what is written by ' .. name, function()
    local result = child.shell(([[
      { "$0" -e '%s' 2>&1; echo "status $?" >&3; } 3>&2 | head -c 1
    ]]):format(script))
    test.equal({ result.out:sub(1, 1) ~= '', result.err }, { true, 'status 141\n' })
  end)
end

test.case('output that nobody reads does not make a failing write to a socket deadly', function()
  local result = child.shell([[
    { "$0" -e '
      local socket = require "socket"
      assert(socket.iowait(1, "r", 20) == "R")  -- an error to be read: nobody is there any more
      local a, b = socket.socketpair("AF_UNIX", "SOCK_STREAM", 0)
      b:close()
      io.stderr:write(tostring(a:write("x")), " ", tostring(a:send("x")), "\n")
      print(1)
    ' 2>&3; echo "status $?" >&3; } 3>&2 | head -c 0
  ]])
  test.equal(result.err, 'nil nil\nstatus 141\n')
end)

test.finish()
