using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Incidents.Server.Configuration.Yaml;

/// <summary>References to secrets, <c>${env:NAME}</c> and <c>${file:path}</c>, and the texts that may not hold them.</summary>
internal static partial class Secret
{
    private const string HowTo = "Write ${env:NAME} or ${file:/path/to/secret}.";

    /// <summary>Reads to the secret itself, or to the empty text when the variable or file is absent.</summary>
    public static readonly Shape<string> Shape = new SecretShape();

    /// <summary>A text that is not a secret. References in it would stay unread, so they are refused.</summary>
    public static readonly Shape<string> PlainText = new PlainTextShape();

    [GeneratedRegex(@"^\$\{(env|file):([^}]+)\}$", RegexOptions.CultureInvariant)]
    private static partial Regex Reference();

    private sealed class SecretShape : Shape<string>
    {
        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out string value)
        {
            value = null;
            if (node is not YamlScalar scalar)
            {
                reading.Report(node, Code.WrongType, $"a reference to a secret is expected here, not {node.Kind}.", HowTo);
                return false;
            }

            var match = Reference().Match(scalar.Text);
            if (!match.Success)
            {
                reading.Hide(scalar);
                if (scalar.Text.StartsWith("${", StringComparison.Ordinal)) reading.Report(scalar, Code.MisplacedReference, "this is not a reference to a secret.", HowTo);
                else reading.Report(scalar, Code.LiteralSecret, "a secret is written into the file.", HowTo + " Then replace the secret: it has been seen.");
                return false;
            }

            var name = match.Groups[2].Value;
            value = (match.Groups[1].Value == "env" ? Environment.GetEnvironmentVariable(name) : FromFile(name, scalar, reading))?.Trim() ?? "";
            return true;
        }

        public override JsonObject Schema(SchemaWriter writer) => new()
        {
            ["type"] = "string",
            ["pattern"] = @"^\$\{(env|file):[^}]+\}$",
            ["examples"] = new JsonArray("${env:NAME}", "${file:/run/secrets/name}"),
        };

        private static string? FromFile(string name, YamlScalar scalar, YamlReading reading)
        {
            var path = Path.GetFullPath(name, reading.Directory);
            reading.ReferredFiles.Add(path);
            try
            {
                return File.Exists(path) ? File.ReadAllText(path) : null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Present but not readable is no fresh machine: it is a mistake worth stopping for.
                reading.Report(scalar, Code.Unreadable, $"the secret file {path} cannot be read: {e.Message}", "Let the engine's user read it.");
                return null;
            }
        }
    }

    private sealed class PlainTextShape : Shape<string>
    {
        public override bool TryRead(YamlNode node, YamlReading reading, [MaybeNullWhen(false)] out string value)
        {
            if (!Shapes.Text.TryRead(node, reading, out value)) return false;
            if (!value.Contains("${env:", StringComparison.Ordinal) && !value.Contains("${file:", StringComparison.Ordinal)) return true;
            reading.Report(node, Code.MisplacedReference, "this field is not a secret, so references are not read in it.", "Write the value itself.");
            value = null;
            return false;
        }

        public override JsonObject Schema(SchemaWriter writer) => Shapes.Text.Schema(writer);
    }
}
