--- child.lua: runs the program under test as a child process.
local child = {}

local first = -1
while arg[first - 1] do first = first - 1 end
--- The path of the program that runs this test.
child.program = arg[first]

local limit = 'timeout 40 ' -- a child that hangs fails its test, not the whole run

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function write_file(text)
  local path = os.tmpname()
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
  return path
end

local function take_file(path)
  local file = assert(io.open(path, 'rb'))
  local text = file:read('a')
  file:close()
  os.remove(path)
  return text
end

--- What the messages of the program begin with for this script: its path.
local function command_line(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  return table.concat(quoted, ' ')
end

--- Runs a shell command that sees the program as "$0". Returns {out =, err =, how =, code =}, where
--- `how` is "exit" or "signal".
function child.shell(command)
  local out, err = os.tmpname(), os.tmpname()
  local _, how, code = os.execute(('exec %s sh -c %s %s >%s 2>%s </dev/null'):format(limit,
    quote(command),
    quote(child.program), out, err))
  return { out = take_file(out), err = take_file(err), how = how, code = code }
end

--- Runs the program with these words.
function child.words(...)
  return child.shell('exec ' .. command_line({ child.program, ... }))
end

--- Runs a script, given as text, with the program's options before it. Returns what shell() does,
--- and `path`, where the script was.
function child.run(text, ...)
  local path = write_file(text)
  local words = { ... }
  words[#words + 1] = path
  local result = child.words(table.unpack(words))
  os.remove(path)
  result.path = path
  return result
end

-- -- Children that are still running --------------------------------------------------------------

local process = {}
process.__index = process

--- Starts a script whose first output must be its own process id, in a line (see `child.preamble`).
function child.start(text, ...)
  local path = write_file(child.preamble .. text)
  local words = { child.program, ... }
  words[#words + 1] = path
  local pipe = assert(io.popen('exec ' .. limit .. command_line(words) .. ' 2>&1 </dev/null', 'r'))
  local self = setmetatable({ pipe = pipe, path = path }, process)
  self.id = assert(tonumber(pipe:read('l')), 'the child did not start')
  return self
end

child.preamble = [[
io.stdout:setvbuf('line')
local fiber, socket = require 'fiber', require 'socket'
do local stat <close> = io.open('/proc/self/stat'); print(stat:read('n')) end
]]

--- The next line of what the child writes to standard output or standard error.
function process:line() return self.pipe:read('l') end

function process:signal(name) os.execute(('kill -%s %d'):format(name, self.id)) end

--- Waits until a line of the output is this one.
function process:expect(wanted)
  for line in self.pipe:lines() do
    if line == wanted then return end
  end
  error('the child never said ' .. wanted, 2)
end

--- Waits for its end. Returns the rest of what it wrote, "exit" or "signal", and the code.
function process:wait()
  local rest = self.pipe:read('a')
  local _, how, code = self.pipe:close()
  os.remove(self.path)
  return rest, how, code
end

--- True when the program was built with AddressSanitizer, which needs memory without limits.
function child.sanitized()
  local maps <close> = io.open('/proc/self/maps')
  return maps ~= nil and maps:read('a'):find('libasan') ~= nil
end

return child
