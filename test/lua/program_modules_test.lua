-- program_modules_test.lua: the modules the program gives, C modules of others, and its memory.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local loopback = require 'loopback'

--- Runs a script, which must end well and print no errors. Returns what it printed.
local function prints(text, ...)
  local result = child.run(text, ...)
  test.equal({ result.how, result.code, result.err }, { 'exit', 0, '' })
  return result.out
end

-- -- Modules --------------------------------------------------------------------------------------------

test.case('requiring the modules changes no globals', function()
  local out = prints [[
    local before = {}
    for name, value in pairs(_G) do before[name] = value end
    for _, name in ipairs { 'errno', 'fiber', 'socket', 'coir.errno', 'coir.fiber', 'coir.socket', 'coir',
                            'coir.compat.tarantool' } do
      assert(type(require(name)) == 'table')
      for global, value in pairs(_G) do
        if before[global] ~= value then print(name, global) end
      end
      for global in pairs(before) do
        if _G[global] == nil then print(name, global) end
      end
    end
  ]]
  test.equal(out, '')
end)

test.case('short names and real names are the same modules', function()
  test.equal(prints [[
    for _, name in ipairs { 'errno', 'fiber', 'socket' } do print(require(name) == require('coir.' .. name)) end
  ]], 'true\ntrue\ntrue\n')
end)

test.case('the program has no globals that lua5.4 has not', function()
  local names = "local n = {} for k in pairs(_G) do n[#n + 1] = k end table.sort(n) print(table.concat(n, ' '))"
  local result = child.shell(("lua5.4 -e %q"):format(names))
  if result.code ~= 0 then return end
  test.equal(prints(names), result.out)
end)

test.case('-l coir.compat.tarantool installs box and the short names', function()
  test.equal(prints([[
    local t = require 'coir.compat.tarantool'
    print(box == t.box, require 'socket' == t.socket, require 'fiber' == t.fiber, require 'errno' == t.errno)
    print(type(box.socket), type(box.fiber), type(box.errno))
    print(require('socket')('AF_INET', 'SOCK_STREAM', 'tcp'):nonblock())
    print(require('coir.socket')('AF_INET', 'SOCK_STREAM', 'tcp'):nonblock())
  ]], '-l', 'coir.compat.tarantool'), 'true\ttrue\ttrue\ttrue\ntable\ttable\ttable\ntrue\nfalse\n')
end)

test.case('requiring coir.compat.tarantool installs nothing', function()
  test.equal(prints [[
    local t = require 'coir.compat.tarantool'
    print(box, require 'socket' == require 'coir.socket', t.socket == require 'socket')
  ]], 'nil\ttrue\tfalse\n')
end)

local uses = {
  cjson = "print(m.decode(m.encode({ 1, 2, { a = 'b' } }))[3].a)",
  lpeg = "print(lpeg and 1 or m.match(m.R('az')^1 * m.Cp(), 'abc'))",
  lfs = "print(m.attributes('/', 'mode'))",
  ['mime.core'] = "print((m.b64('abc')))",
}
local results = { cjson = 'b\n', lpeg = '4\n', lfs = 'directory\n', ['mime.core'] = 'YWJj\n' }

for name, use in pairs(uses) do
  test.case('the C module ' .. name .. ' loads and works, in the main fiber and in another', function()
    local text = ("local m = require '%s'\n%s\nrequire('fiber').create(function() %s end)"):format(name, use, use)
    test.equal(prints(text), results[name]:rep(2))
  end)
end

-- -- Descriptors and signals of the process -------------------------------------------------------------

test.case('inherited descriptors stay open, for the script and for its children', function()
  local path = os.tmpname()
  local script = [[
    local function text(f) local s = f:read('a'); f:close(); return s end
    print(text(io.open('/dev/fd/7')))
    print(text(io.popen('cat <&8')))
  ]]
  local result = child.shell(("echo one >%s; exec \"$0\" -e %q 7<%s 8<%s"):format(path, script:gsub('\n', ' '), path, path))
  os.remove(path)
  test.equal({ result.out, result.err, result.code }, { 'one\n\none\n\n', '', 0 })
end)

test.case('an inherited socket can be used through from_fd', function()
  local listener, port = loopback.listener()
  local path = os.tmpname()
  local file = assert(io.open(path, 'w'))
  file:write("local s = require('socket').from_fd(7) s:write('from the child\\n') print(s:read('\\n'))")
  file:close()
  -- bash connects descriptor 7 to the listener.
  local process = io.popen(("exec timeout 40 bash -c 'exec 7<>/dev/tcp/127.0.0.1/%d; exec \"$0\" %s' '%s'"):format(
    port, path, child.program))
  local s = listener:accept(10)
  test.equal(s:read('\n', 10), 'from the child\n')
  s:write('to the child\n')
  test.equal(process:read('a'), 'to the child\n\n')
  process:close()
  os.remove(path)
end)

test.case('sockets of every origin are close-on-exec, and nothing else of the program is left to children', function()
  local out = prints [[
    local socket = require 'socket'
    local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    assert(listener:bind('127.0.0.1', 0) and listener:listen())
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    local client = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    assert(client:sysconnect('127.0.0.1', listener:name().port))
    local accepted = assert(listener:accept())
    local datagram = assert(socket('AF_INET6', 'SOCK_DGRAM', 'udp'))
    assert(a:sendfd(client))
    local received = assert(b:recvfd())
    if type(received) ~= 'number' then received = received:fd() end
    for _, fd in ipairs { listener:fd(), a:fd(), b:fd(), client:fd(), accepted:fd(), datagram:fd(), received } do
      for line in io.lines('/proc/self/fdinfo/' .. fd) do
        local flags = line:match('^flags:%s*(%d+)')
        if flags then io.write(tonumber(flags, 8) & 0x80000 ~= 0 and 'yes ' or 'no ') end
      end
    end
    io.stdout:flush()
    os.execute('for fd in 3 4 5 6 7 8 9; do test -e /proc/self/fd/$fd && readlink /proc/self/fd/$fd; done | grep -v ^pipe')
  ]]
  out = out:gsub('/[^\n]*\n', '') -- what the shell itself has open, or was given
  test.equal(out, ('yes '):rep(7))
end)

test.case('writing to a peer that has gone fails with EPIPE and does not kill', function()
  test.equal(prints [[
    local socket, errno = require 'socket', require 'errno'
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    b:close()
    local n, message, code = a:write('x')
    print(n, errno[code])
    n, message, code = a:syswrite('x')
    print(n, errno[code])
    n, message, code = a:send('x')
    print(n, errno[code])
    local pipe = io.popen('exec true', 'w')
    os.execute('sleep 0.05')
    print(pipe:write(('x'):rep(1 << 20)) == nil, 'alive')
  ]], 'nil\tEPIPE\nnil\tEPIPE\nnil\tEPIPE\ntrue\talive\n')
end)

test.case('children get SIGPIPE as usual', function()
  test.equal(prints "print(select(2, os.execute('kill -PIPE $$; true')))", 'signal\t13\n')
end)

-- -- Memory -----------------------------------------------------------------------------------------------

local resident = [[
  local fiber = require 'fiber'
  local function resident()
    for line in io.lines('/proc/self/status') do
      local kib = line:match('^VmRSS:%s*(%d+) kB')
      if kib then return tonumber(kib) end
    end
  end
]]

test.case('the C stacks of 10,000 parked fibers go back when they end', function()
  if child.sanitized() then return end
  local out = prints(resident .. [[
    local channel = fiber.channel(0)
    local function get() channel:get() end
    for _ = 1, 10000 do fiber.create(string.gsub, 'x', 'x', get) end -- C waits for an answer
    local parked = resident()
    channel:close()
    fiber.sleep(0)
    fiber.sleep(0)
    print(parked, resident())
  ]])
  local parked, after = out:match('^(%d+)\t(%d+)\n$')
  test.ok(tonumber(after) < 40 * 1024 and tonumber(after) < tonumber(parked), out)
end)

test.case('10,000 parked fibers that need no C stack are small', function()
  if child.sanitized() then return end
  local out = prints(resident .. [[
    local channel = fiber.channel(0)
    local before = resident()
    for _ = 1, 10000 do fiber.create(channel.get, channel) end
    print(resident() - before)
  ]])
  test.ok(tonumber(out) < 30 * 1024, out)
end)

test.case('100,000 fibers that come and go leave no memory behind', function()
  if child.sanitized() then return end
  local out = prints(resident .. [[
    for _ = 1, 100 do
      for _ = 1, 1000 do fiber.create(fiber.yield) end
      fiber.yield()
    end
    fiber.sleep(0)
    fiber.sleep(0)
    local count = 0
    for _ in pairs(fiber.info()) do count = count + 1 end
    print(resident(), count)
  ]])
  local after, count = out:match('^(%d+)\t(%d+)\n$')
  test.equal(count, '1')
  test.ok(tonumber(after) < 40 * 1024, out)
end)

test.finish()
