--- transcripts.lua: runs scripts under two interpreters and tells where their transcripts differ.
---
--- The lines of two transcripts, `label: value`, are paired by label, so that one missing line
--- costs one check and not all that follow.
local transcripts = {}

local timeout_seconds = 20

function transcripts.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a shell command. Returns what it wrote, what it complained about, and its exit status.
local function run(command)
  local errors_path = os.tmpname()
  local pipe = assert(io.popen(('timeout -k 1 %d %s </dev/null 2>%s')
    :format(timeout_seconds, command, transcripts.quote(errors_path))))
  local output = pipe:read('a')
  local _, _, status = pipe:close()
  local errors_file = assert(io.open(errors_path))
  local errors = errors_file:read('a')
  errors_file:close()
  os.remove(errors_path)
  return output, errors, status
end

-- The transcript of a script: its labels in order, the values by label, and a complaint when the
-- script did not end well.
local function transcript_of(command)
  local output, errors, status = run(command)
  local transcript = { labels = {}, values = {} }
  for line in output:gmatch('[^\n]+') do
    local label, value = line:match('^(.-): (.*)$')
    label, value = label or line, value or ''
    if not transcript.values[label] then table.insert(transcript.labels, label) end
    transcript.values[label] = value
  end
  if status == 124 or status == 137 then
    transcript.complaint = ('%s did not end in %d seconds'):format(command, timeout_seconds)
  elseif status ~= 0 then
    transcript.complaint = ('%s ended with status %d\n%s'):format(command, status, errors)
  end
  return transcript
end

-- Compares one script's two transcripts. Returns how many lines agree and how many do not.
local function compare(script, reference, candidate)
  local path = transcripts.quote(script)
  local expected = transcript_of(reference .. ' ' .. path)
  local got = transcript_of(candidate .. ' ' .. path)
  local name = script:match('[^/]*$')
  local passed, failed = 0, 0
  local function differ(label)
    failed = failed + 1
    print(('%s: %s'):format(name, label))
    print(('  %s: %s'):format(reference, expected.values[label] or '(no such line)'))
    print(('  coir: %s'):format(got.values[label] or '(no such line)'))
  end
  for _, label in ipairs(expected.labels) do
    if expected.values[label] == got.values[label] then
      passed = passed + 1
    else
      differ(label)
    end
  end
  for _, label in ipairs(got.labels) do
    if not expected.values[label] then differ(label) end
  end
  for _, complaint in ipairs { expected.complaint or false, got.complaint or false } do
    if complaint then
      failed = failed + 1
      print(name .. ': ' .. complaint)
    end
  end
  return passed, failed
end

--- The scripts of a folder whose names are wanted, in the order of their names.
--- @param wanted fun(name: string): boolean?
function transcripts.scripts(folder, wanted)
  local scripts = {}
  for path in io.popen('ls ' .. transcripts.quote(folder) .. '*.lua'):lines() do
    if wanted(path:match('[^/]*$')) then table.insert(scripts, path) end
  end
  return scripts
end

--- Runs each script under both, prints where they differ and at the end `N passed, M failed`, and
--- ends the program: with 0 when all lines agree.
--- @param reference string the command of the one interpreter; a script's path is added
--- @param candidate string that of coir
function transcripts.compare_all(scripts, reference, candidate)
  local passed, failed = 0, 0
  for _, script in ipairs(scripts) do
    local agreed, differed = compare(script, reference, candidate)
    passed, failed = passed + agreed, failed + differed
  end
  print(('%d passed, %d failed'):format(passed, failed))
  os.exit(failed == 0 and passed > 0 and 0 or 1)
end

return transcripts
