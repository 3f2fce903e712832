using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;

namespace Incidents.Domain.Tests.Routing;

public sealed class SeverityMappingTests
{
    [TestCase("critical", "critical")]
    [TestCase("CRIT", "critical")]
    [TestCase("page", "critical")]
    [TestCase("P1", "critical")]
    [TestCase("SEV-1", "critical")]
    [TestCase(" Sev_1 ", "critical")]
    [TestCase("DISASTER", "critical")]
    [TestCase("Warn", "warning")]
    [TestCase("sev-2", "warning")]
    [TestCase("p3", "warning")]
    [TestCase("minor", "warning")]
    [TestCase("INFO", "info")]
    [TestCase("ticket", "info")]
    [TestCase("none", "info")]
    [TestCase("5", "warning", Description = "a bare number is unknown")]
    [TestCase("banana", "warning")]
    public void Words_in_the_wild_become_severities_and_are_kept(string word, string severity)
    {
        Assert.That(SeverityMapping.Default.Read(Labels.Of(("severity", word))), Is.EqualTo((severity, word)));
    }

    [Test]
    public void Without_a_label_the_default_holds_and_there_is_no_word()
    {
        Assert.That(SeverityMapping.Default.Read(Labels.Of(("job", "x"))), Is.EqualTo(("warning", (string?)null)));
    }

    [Test]
    public void A_later_label_with_a_known_word_beats_an_earlier_one_with_an_unknown()
    {
        Assert.That(SeverityMapping.Default.Read(Labels.Of(("severity", "banana"), ("priority", "P0"))), Is.EqualTo(("critical", "P0")));
    }

    [Test]
    public void A_site_can_say_what_its_words_mean_but_not_that_critical_is_info()
    {
        var mapping = new SeverityMapping(["level"], [new("5", Severity.Critical), new("Critical", Severity.Info)], Severity.Info);

        Assert.That(mapping.Read(Labels.Of(("level", "5"))).Severity, Is.EqualTo("critical"));
        Assert.That(mapping.Read(Labels.Of(("level", "CRITICAL"))).Severity, Is.EqualTo("critical"));
        Assert.That(mapping.Read(Labels.Of(("severity", "critical"))).Severity, Is.EqualTo("info"));
    }
}
