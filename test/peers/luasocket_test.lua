-- luasocket_test.lua: LuaSocket under lua5.4 at the other end: its clients talk to servers written with coir,
-- and its server to clients written with coir.
local here = arg[0]:match('^.*/') or './'
package.path = ('%s?.lua;%s../lua/?.lua;%s'):format(here, here, package.path)
local test = require 'test'
local fiber = require 'fiber'
local loopback = require 'loopback'
local peer = require 'peer'

--- Runs a script under lua5.4, with this number as its argument, while other fibers go on.
local function lua(text, number)
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write("local socket = require 'socket'\nlocal port = tonumber(arg[1])\n", text)
  file:close()
  local output, ok = peer.run(('lua5.4 %s %d 2>&1'):format(path, number))
  os.remove(path)
  return output, ok
end

--- An echo server in a fiber; its port. It echoes lines.
local function echo_server()
  local listener, port = loopback.listener()
  fiber.new(function()
    while true do
      local s = listener:accept()
      fiber.new(function()
        for line in s:lines() do s:write(line .. '\n') end
        s:close()
      end)
    end
  end)
  return port
end

test.case('lua5.4 and LuaSocket are there', function()
  peer.need('lua5.4', 'lua5.4')
  if not os.execute("lua5.4 -e \"require 'socket'\" 2>/dev/null") then
    error('LuaSocket is not installed: apt-get install lua-socket')
  end
end)

-- -- Clients of LuaSocket -----------------------------------------------------------------------------

test.case('a LuaSocket client has its lines echoed', function()
  test.equal({ lua([[
    local c = assert(socket.connect('127.0.0.1', port))
    for i = 1, 500 do
      c:send('line ' .. i .. '\n')
      assert(c:receive('*l') == 'line ' .. i)
    end
    c:close()
    print('done')
  ]], echo_server()) }, { 'done\n', true })
end)

test.case('a LuaSocket client sends a megabyte, half closes and receives the answer', function()
  local listener, port = loopback.listener()
  fiber.new(function()
    local s = listener:accept()
    local data = s:read()
    s:write(#data .. data:reverse())
    s:close()
  end)
  test.equal({ lua([[
    local c = assert(socket.connect('127.0.0.1', port))
    local data = {}
    for i = 1, 100000 do data[i] = ('%09d\n'):format(i) end
    data = table.concat(data)
    local sent = c:send(data)
    c:shutdown('send')
    local answer = c:receive('*a')
    print(math.tointeger(sent), answer == #data .. data:reverse())
  ]], port) }, { '1000000\ttrue\n', true })
end)

test.case('twenty LuaSocket clients at once', function()
  local port = echo_server()
  peer.in_fibers(20, function(i)
    test.equal({ lua([[
      local c = assert(socket.connect('127.0.0.1', port))
      for i = 1, 50 do c:send(i .. '\n') end
      for i = 1, 50 do assert(c:receive() == tostring(i)) end
      print('done')
    ]], port) }, { 'done\n', true }, i)
  end)
end)

test.case('a LuaSocket client sees the server\'s end and its silence', function()
  local listener, port = loopback.listener()
  fiber.new(function()
    local first = listener:accept()
    first:write('partial')
    first:close()
    local second = listener:accept()
    fiber.sleep(5)
    second:close()
  end)
  test.equal({ lua([[
    local c = assert(socket.connect('127.0.0.1', port))
    print(c:receive('*l'))
    c = assert(socket.connect('127.0.0.1', port))
    c:settimeout(0.05)
    print(c:receive('*l'))
  ]], port) }, { 'nil\tclosed\tpartial\nnil\ttimeout\t\n', true })
end)

test.case('a LuaSocket client exchanges datagrams with coir', function()
  local s, port = loopback.datagram()
  local server = fiber.new(function()
    while true do
      local data, from = s:recvfrom()
      s:sendto(from.host, from.port, data:upper())
    end
  end)
  test.equal({ lua([[
    local c = socket.udp()
    c:settimeout(5)
    c:setpeername('127.0.0.1', port)
    for _, text in ipairs { 'hello', '', 'x', ('y'):rep(8000) } do
      c:send(text)
      assert(c:receive() == text:upper())
    end
    print('done')
  ]], port) }, { 'done\n', true })
  server:cancel()
end)

-- -- A server of LuaSocket ----------------------------------------------------------------------------

local server_text = [[
local socket = require 'socket'
local server = assert(socket.bind('127.0.0.1', tonumber(arg[1])))
while true do
  local c = server:accept()
  local line = c:receive('*l')
  if line == 'echo' then
    for text in function() return c:receive('*l') end do c:send(text .. '\n') end
  elseif line == 'all' then
    local data = c:receive('*a')
    c:send(#data .. '\n')
  elseif line == 'silent' then
    socket.sleep(0.3)
  elseif line == 'reset' then
    c:setoption('linger', { on = true, timeout = 0 })
  end
  c:close()
end
]]

local function start()
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write(server_text)
  file:close()
  local port = peer.free_port()
  local server = peer.start(('lua5.4 %s %d'):format(path, port), port)
  return server, function()
    server:stop()
    os.remove(path)
  end
end

peer.with_server(start, function(server)
  local function connect(what)
    local s = assert(peer.connect(server.port))
    s:write(what .. '\n')
    return s
  end

  test.case('a LuaSocket server echoes the lines of a coir client', function()
    local s <close> = connect('echo')
    for i = 1, 500 do
      s:write('line ' .. i .. '\n')
      test.equal(s:readline(), 'line ' .. i .. '\n')
    end
  end)

  test.case('a LuaSocket server reads to the end', function()
    local s <close> = connect('all')
    test.equal(s:write(('x'):rep(1 << 20)), 1 << 20)
    s:shutdown('W')
    test.equal({ s:readline(), s:read() }, { '1048576\n', '' })
  end)

  test.case('coir clients that wait for their turn, and time out at a silent server', function()
    local s <close> = connect('silent')
    test.fails('ETIMEDOUT', s:read(1, 0.01))
    peer.in_fibers(10, function(i)
      local other <close> = connect('echo')
      other:write(i .. '\n')
      test.equal(other:readline(), i .. '\n')
    end)
    test.equal(s:read(), '')
  end)

  test.case('a connection that the server resets', function()
    local s <close> = connect('reset')
    test.fails('ECONNRESET', s:read())
  end)
end)

test.finish()
