-- luasocket_test.lua: LuaSocket under lua5.4, as client and as server.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local fiber = require 'fiber'
local test = require 'test'

peer.need('lua5.4')
if not os.execute("lua5.4 -e 'require(\"socket\")' 2>/dev/null") then
  test.case('LuaSocket is installed', function() error('LuaSocket for lua5.4 is not installed', 0) end)
  test.finish()
end

local folder = peer.folder()
local large = ('0123456789abcdef'):rep(1 << 16)

--- Starts lua5.4 with a script that gets the port as its argument.
local function lua(script, port)
  local path = folder .. '/script.lua'
  peer.put_file(path, [[
    local socket = require 'socket'
    local large = ('0123456789abcdef'):rep(1 << 16)
  ]] .. script)
  return peer.start(('lua5.4 %s %d'):format(path, port), folder .. '/log')
end

--- What the process printed until it ended.
local function output(process)
  process:wait()
  return peer.take_file(folder .. '/log')
end

-- -- coir serves ------------------------------------------------------------------------------------------

--- Runs a script of LuaSocket as client of an echo server. Returns what it printed.
local function client_of_echo(script)
  local listener, port = peer.listener()
  local server = fiber.spawn(function()
    local s <close> = assert(listener:accept(20))
    listener:close()
    local data = s:read_any(65536, 10)
    while data ~= '' do
      assert(s:write(data, 10))
      data = assert(s:read_any(65536, 10))
    end
  end)
  local text = output(lua([[
    local s = assert(socket.connect('127.0.0.1', arg[1]))
    s:settimeout(10)
  ]] .. script, port))
  test.equal({ server:join() }, { true })
  return text
end

test.case('a client of LuaSocket gets its lines back', function()
  test.equal(client_of_echo [[
    for i = 1, 100 do
      assert(s:send('line ' .. i .. '\r\n'))
      assert(s:receive('*l') == 'line ' .. i)
    end
    print('all lines')
  ]], 'all lines\n')
end)

test.case('a client that closes one half still reads the rest', function()
  test.equal(client_of_echo [[
    assert(s:send('the rest'))
    assert(s:shutdown('send'))
    print((s:receive('*a')))
  ]], 'the rest\n')
end)

test.case('1 MiB goes to a client of LuaSocket and back', function()
  test.equal(client_of_echo [[
    local received, sent = {}, 0
    while sent < #large do
      sent = assert(s:send(large, sent + 1, math.min(sent + 65536, #large)))
      received[#received + 1] = assert(s:receive(sent - #table.concat(received)))
    end
    print(table.concat(received) == large)
  ]], 'true\n')
end)

-- -- coir asks ----------------------------------------------------------------------------------------------

--- Starts a script of LuaSocket as server; `body` gets a socket connected to it. Returns what it printed.
local function server_asked(script, body)
  local port = peer.free_port()
  local process = lua([[
    local listener = assert(socket.bind('127.0.0.1', arg[1]))
    listener:settimeout(20)
    local s, line
    repeat -- a connection that says nothing only asks whether somebody is there
      s = assert(listener:accept())
      s:settimeout(10)
      line = s:receive('*l')
    until line
  ]] .. script, port)
  local text
  peer.finally(function() text = output(process) end, function()
    peer.await(port)
    local s <close> = peer.connect(port)
    assert(s:write('begin\n', 10))
    body(s)
  end)
  return text
end

test.case('a server of LuaSocket answers lines', function()
  test.equal(server_asked([[
    for line in function() return s:receive('*l') end do assert(s:send(line:upper() .. '\n')) end
    print('no more')
  ]], function(s)
    for i = 1, 100 do
      assert(s:write(('line %d\n'):format(i), 10))
      test.equal(s:read('\n', 10), ('LINE %d\n'):format(i))
    end
  end), 'no more\n')
end)

test.case('a half that coir closes is the end for LuaSocket, which still answers', function()
  test.equal(server_asked([[
    local text = s:receive('*a')
    assert(s:send(text:reverse()))
    s:close()
    print(text)
  ]], function(s)
    assert(s:write('abc', 10))
    assert(s:shutdown('W'))
    test.equal(s:read(100, 10), 'cba')
  end), 'abc\n')
end)

test.case('1 MiB goes to a server of LuaSocket while 1 MiB comes', function()
  test.equal(server_asked([[
    assert(s:send(large))
    print((s:receive(#large)) == large)
    s:close()
  ]], function(s)
    local writer = fiber.spawn(function() return s:write(large, 20) end)
    local data = s:read(#large, 20)
    test.ok(data == large)
    test.equal({ writer:join() }, { true, #large })
    test.equal(s:read(1, 10), '')
  end), 'true\n')
end)

peer.remove_folder(folder)
test.finish()
