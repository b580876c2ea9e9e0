--- example.lua: runs the examples, and other programs, as child processes.
---
--- Nothing here blocks the test's own fibers: what a child says goes to files, which are looked at until
--- the wanted thing is in them.
local test = require 'test'

local example = {}

local here = arg[0]:match('^(.*)/[^/]*$') or '.'
--- The folder with the examples.
example.folder = here .. '/../../examples/'

local first = -1
while arg[first - 1] do first = first - 1 end
--- The path of the program that runs this test.
example.program = arg[first]

-- A child that hangs fails its test, not the whole run.
local limit = 'timeout --foreground 50'

local function quote(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

local function contents(path)
  local file <close> = io.open(path, 'rb')
  return file and file:read('a') or ''
end

-- -- A child ------------------------------------------------------------------------------------------

local child = {}
child.__index = child

function child:out() return contents(self.place .. '/out') end
function child:err() return contents(self.place .. '/err') end

--- Waits until the standard output matches the Lua pattern. Returns the captures.
function child:expect(pattern)
  test.eventually(function() return self:out():find(pattern) or self:status() end)
  local found = table.pack(self:out():match(pattern))
  if not found[1] then
    error(('the child never said %q but %q and %q'):format(pattern, self:out(), self:err()), 2)
  end
  return table.unpack(found, 1, found.n)
end

--- The exit status, 128 + N after signal N; nil while it runs.
function child:status() return tonumber(contents(self.place .. '/status'):match('^(%d+)\n')) end

--- Waits for the end. Returns the exit status, and what it wrote to standard output and standard error.
function child:wait()
  test.eventually(function() return self:status() end)
  return self:status(), self:out(), self:err()
end

function child:signal(name)
  os.execute(('kill -%s %s'):format(name, contents(self.place .. '/pid')))
end

--- Waits until the child itself waits for something: what it says, it says while its code still runs.
function child:waits()
  local command = 'ps -o stat= -p ' .. contents(self.place .. '/pid')
  test.eventually(function()
    local pipe <close> = assert(io.popen(command))
    return pipe:read('a'):find('^S')
  end)
end

--- Ends the child, if it still runs, and forgets what it said. Returns the exit status.
function child:stop()
  if not self:status() then self:signal('TERM') end
  local status = self:wait()
  os.execute('rm -rf ' .. quote(self.place))
  return status
end

child.__close = child.stop

--- Starts a shell command; `input` is its standard input.
function example.shell(command, input)
  local pipe <close> = assert(io.popen('mktemp -d'))
  local self = setmetatable({ place = pipe:read('l') }, child)
  local file <close> = assert(io.open(self.place .. '/in', 'wb'))
  file:write(input or '')
  file:close()
  assert(os.execute(([[
    cd %s && {
      ( %s sh -c %s <in >out 2>err; echo $? >status ) &
    } >/dev/null 2>&1]]):format(quote(self.place), limit, quote('echo $$ >pid; exec ' .. command))))
  test.eventually(function() return contents(self.place .. '/pid') ~= '' end)
  return self
end

local function command_line(...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = quote(word) end
  return table.concat(words, ' ')
end

--- Starts a program with these arguments.
function example.start(...) return example.shell(command_line(...)) end

local function working_folder()
  local pipe <close> = assert(io.popen('pwd'))
  return pipe:read('l')
end

--- The same path for a child that is in another folder.
function example.absolute(path)
  if path:find('^/') then return path end
  return working_folder() .. '/' .. path
end

--- Starts an example.
function example.lua(name, ...)
  return example.start(example.absolute(example.program), example.absolute(example.folder) .. name, ...)
end

--- Starts an example that is a server, on a free port. Returns the child and the port.
function example.server(name, ...)
  local server = example.lua(name, '127.0.0.1', 0, ...)
  local port = server:expect('^listening on 127%.0%.0%.1:(%d+)\n')
  return server, math.tointeger(tonumber(port))
end

--- True when a program is there to be run.
function example.has(program)
  return os.execute('command -v ' .. program .. ' >/dev/null 2>&1') == true
end

--- Without the program, skips the case.
function example.case_with(program, sentence, body)
  if example.has(program) then
    test.case(sentence, body)
  else
    test.skip(sentence, program .. ' is not installed')
  end
end

--- A case about a server's life that all of them have in common: where it listens, and how it ends.
function example.server_cases(name, default_port)
  test.case('without arguments it listens where its first comment says', function()
    local server <close> = example.lua(name)
    test.eventually(function() return server:out() ~= '' or server:status() end)
    local address = '127.0.0.1:' .. default_port
    local busy = server:err():find(address .. ': Address already in use', 1, true)
    test.ok(busy or server:out() == ('listening on %s\n'):format(address), server:out() .. server:err())
  end)

  test.case('an address that is in use ends it with a clear error', function()
    local server <close>, port = example.server(name)
    local second <close> = example.lua(name, '127.0.0.1', port)
    local status, out, err = second:wait()
    test.equal({ status, out }, { 1, '' })
    test.match(err, ('127%%.0%%.0%%.1:%d: Address already in use'):format(port))
  end)

  test.case('a host can have a name', function()
    local server <close> = example.lua(name, 'localhost', 0)
    server:expect('^listening on [%x.:]+:%d+\n')
  end)

  test.case('what cannot be a name ends it with a clear error', function()
    local server <close> = example.lua(name, 'a..b', 0)
    local status, _, err = server:wait()
    test.equal(status, 1)
    test.match(err, 'cannot resolve a..b:0')
  end)

  test.case('it listens on an IPv6 address, too', function()
    local server <close> = example.lua(name, '::1', 0)
    test.eventually(function() return server:out() ~= '' or server:status() end)
    local unavailable = server:err():find('Cannot assign requested address', 1, true)
    test.ok(unavailable or server:out():find('^listening on ::1:%d+\n'), server:out() .. server:err())
  end)

  test.case('SIGINT and SIGTERM end it', function()
    local interrupted <close> = example.server(name)
    interrupted:waits()
    interrupted:signal('INT')
    test.equal({ interrupted:wait() }, { 128 + 2, interrupted:out(), '' })
    local terminated = example.server(name)
    test.equal(terminated:stop(), 128 + 15)
  end)
end

return example
