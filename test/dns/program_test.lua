-- program_test.lua: what look-ups mean for the program as a whole: its end, and what it reports.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local responder = require 'responder'
local child = require 'child'
local test = require 'test'

-- A server that never answers: a socket that nobody reads.
local silent = [[
local socket, fiber, dns = require 'socket', require 'fiber', require 'coir.dns'
local s = socket('AF_INET', 'SOCK_DGRAM', 'udp')
s:bind('127.0.0.1', 0)
dns.servers { '127.0.0.1:' .. s:name().port }
dns.files { hosts = '/dev/null' }
]]

--- Runs a script; it must end long before c-ares would give up by itself.
local function run(text) return test.takes(0, 12, child.run, silent .. text) end

test.case('a look-up that was given up does not keep the program', function()
  local result = run [[print(socket.getaddrinfo('a.test', 80, 0.01))]]
  test.equal({ result.err, result.code }, { '', 0 })
  test.match(result.out, 'timed out')
end)

test.case('the program goes on while a fiber looks something up', function()
  local result = run [[
    fiber.new(function() print(select(2, socket.getaddrinfo('a.test', 80, 0.05))) end)]]
  test.match(result.out, 'timed out')
  test.equal({ result.err, result.code }, { '', 0 })
end)

test.case('a program that raises does not wait for its look-ups', function()
  local result = run [[
    fiber.create(function() socket.getaddrinfo('a.test', 80) end)
    error('enough')]]
  test.match(result.err, 'enough')
  test.equal(result.code, 1)
end)

test.case('os.exit does not wait for look-ups', function()
  local result = run [[
    fiber.create(function() socket.getaddrinfo('a.test', 80) end)
    os.exit(3)]]
  test.equal({ result.err, result.code }, { '', 3 })
end)

test.case('a deadlock is reported after a look-up as before it', function()
  local result = run [[
    socket.getaddrinfo('a.test', 80, 0.01)
    fiber.channel():get()]]
  test.match(result.err, 'deadlock: no fiber can ever go on')
  test.match(result.err, 'channel')
  test.ok(not result.err:find('dns'), result.err)
end)

test.case('SIGTERM ends a program that looks something up', function()
  local process = child.start(silent .. [[
    fiber.create(function()
      fiber.new(function() print('ready') end)
      socket.getaddrinfo('b.test', 80)
    end)
    socket.getaddrinfo('a.test', 80)]])
  process:expect('ready')
  process:signal('TERM')
  local _, how, code = test.takes(0, 12, process.wait, process)
  test.equal({ how, code }, { 'signal', 15 })
end)

test.case('SIGINT raises in the main fiber', function()
  local process = child.start(silent .. [[
    fiber.new(function() print('ready') end)
    print(pcall(socket.getaddrinfo, 'a.test', 80))]])
  process:expect('ready')
  process:signal('INT')
  local rest, how, code = test.takes(0, 12, process.wait, process)
  test.match(rest, 'false.*interrupted!')
  test.equal({ how, code }, { 'exit', 0 })
end)

test.case('a look-up in a finalizer is refused', function()
  local result = run [[
    setmetatable({}, { __gc = function() print(pcall(socket.getaddrinfo, 'localhost', 80)) end })
    collectgarbage()]]
  test.match(result.out, 'cannot wait inside a finalizer')
end)

test.case('without descriptors look-ups fail, and work again afterwards', function()
  local script = [[
    local socket, dns, errno = require 'socket', require 'coir.dns', require 'errno'
    local path = os.tmpname()
    io.open(path, 'w'):write('192.0.2.1 known.test\n'):close()
    dns.files { hosts = path, resolv_conf = '/dev/null' }
    local function try(name) return (select(2, socket.getaddrinfo(name, 80, 5))) or 'found' end
    print(try('known.test'))
    local taken = {}
    repeat
      local s = socket('AF_INET', 'SOCK_STREAM')
      taken[#taken + 1] = s
    until not s
    assert(errno() == errno.EMFILE)
    os.execute('touch ' .. path)
    print(try('known.test'))
    print(try('unknown.test'))
    for _, s in ipairs(taken) do s:close() end
    print(try('known.test'))
    os.remove(path)
  ]]
  local path = os.tmpname()
  local file <close> = assert(io.open(path, 'w'))
  file:write(script)
  file:close()
  local result = child.shell('ulimit -n 30; exec "$0" ' .. path)
  os.remove(path)
  test.equal(result.err, '')
  test.match(result.out, '^found\nfound\ncannot resolve unknown.test:80: [^\n]+\nfound\n$')
end)

test.case('many look-ups leave neither memory nor descriptors behind', function()
  local server = responder.start(responder.addresses(0, '192.0.2.7'))
  local socket = require 'socket'
  local function look_up(times)
    for _ = 1, times do
      assert(socket.getaddrinfo('again.test', 80, 10, { family = 'AF_INET', type = 'SOCK_STREAM' }))
    end
    collectgarbage()
  end
  local function resident()
    local status <close> = io.open('/proc/self/statm')
    return select(2, status:read('n', 'n')) * 4096
  end
  look_up(500)
  local before = resident()
  look_up(3000)
  -- The sanitizer keeps what is freed.
  test.ok(resident() - before < 1 << 20 or child.sanitized(), 'memory grows')
  server:stop()
end)

responder.finish()
