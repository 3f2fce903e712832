using Incidents.Server.OnCall;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class EscalationMapping : IEntityTypeConfiguration<EscalationRow>
{
    public void Configure(EntityTypeBuilder<EscalationRow> builder)
    {
        builder.ToTable("escalations").HasKey(e => e.Number);
        builder.Property(e => e.Number).ValueGeneratedNever();
        builder.Property(e => e.Snapshot).HasColumnType("jsonb");

        // However many are pending, only what is due is looked at.
        builder.HasIndex(e => e.DueAt).HasFilter("due_at is not null");
        builder.HasIndex(e => e.Number, "ix_escalations_ended").HasFilter("status = 'ended'");
    }
}

internal sealed class PageMapping : IEntityTypeConfiguration<PageRow>
{
    public void Configure(EntityTypeBuilder<PageRow> builder)
    {
        // Whatever replicas race for it, a step pages a person once.
        builder.ToTable("pages").HasKey(p => new { p.IncidentNumber, p.Run, p.Round, p.Step, p.Person });
        builder.Property(p => p.Contacts).HasColumnType("jsonb");
        builder.HasIndex(p => p.DueAt).HasFilter("due_at is not null");
        builder.HasIndex(p => new { p.Person, p.StartedAt }, "ix_pages_of_person");
        builder.HasIndex(p => p.BundledIn).HasFilter("bundled_in is not null");
    }
}
